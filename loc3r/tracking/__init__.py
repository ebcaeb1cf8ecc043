"""MLflow: runs, lineage, registry and the promotion gate."""
