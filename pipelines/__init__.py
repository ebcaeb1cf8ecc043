"""Kubeflow Pipelines components and the pipeline that joins them."""
