"""MLflow: runs with their lineage, the model registry, and the gate that moves the champion alias."""
