"""The embedded servers of the laptop default: MLflow, S3 and Triton as child processes."""
