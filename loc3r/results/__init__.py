"""The results page: every recorded score with what it is about, written from MLflow."""
