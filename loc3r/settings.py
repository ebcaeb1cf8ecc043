"""Where things are: addresses and folders, from ``LOC3R_*`` environment variables and ``.env``.

What to learn lives in a recipe (``loc3r.recipe``); nothing here changes a result.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Addresses of the services and the local folders."""

    model_config = SettingsConfigDict(
        env_prefix="LOC3R_", env_file=".env", extra="ignore", frozen=True, use_attribute_docstrings=True
    )

    tracking_uri: str = "http://127.0.0.1:5000"
    """MLflow tracking server."""
    experiment: str = "loc3r"
    """MLflow experiment that runs are recorded in."""
    registered_model: str = "loc3r"
    """Name in the MLflow model registry."""
    s3_endpoint: str = "http://127.0.0.1:8333"
    """S3 endpoint of the data remote and the MLflow artifacts."""
    s3_access_key: SecretStr = SecretStr("loc3r")
    """Access key; the default is for the embedded server only."""
    s3_secret_key: SecretStr = SecretStr("loc3r-embedded")
    """Secret key; the default is for the embedded server only."""
    model_repository: str = "s3://models/loc3r"
    """Where packages for clusters are published."""
    triton_url: str = "127.0.0.1:8001"
    """gRPC address of Triton."""
    triton_admin_key: SecretStr = SecretStr("")
    """Key of Triton's model control, where the server restricts it (k8s/base/serving/triton.yaml)."""
    namespace: str = "loc3r"
    """Kubernetes namespace of the trainings."""
    stuck_after_s: float = 120.0
    """A rank without a sign of life for this long is reported, and ends its training (loc3r/train/watchdog.py)."""
    train_on: Literal["here", "kubernetes"] = "here"
    """Where the pipeline's train step trains: in its own process, or in a TrainJob that it waits for."""
    deploy_to: Literal["local", "kubernetes", "kserve"] = "local"
    """Which servers the pipeline's deploy step changes."""
    deploy_options: str = ""
    """Options of its ``loc3r deploy``, such as --device=cuda where the servers have GPUs."""
    report_url: SecretStr = SecretStr("")
    """Webhook that hears how each pipeline run ended (JSON {"text": …}, as chat servers take it); none by default."""
    hub_url: str = "https://huggingface.co"
    """Hugging Face hub, or a mirror of it, that loc3r fetch asks."""
    hub_token: SecretStr = SecretStr("")
    """Token for weights whose terms must be accepted there."""
    judge_url: str = ""
    """OpenAI-compatible endpoint of the judge of open answers, such as http://127.0.0.1:8080/v1; none by default."""
    judge_model: str = ""
    """Model that the judge's endpoint is asked for."""
    judge_api_key: SecretStr = SecretStr("")
    """Key of the judge's endpoint; a local server needs none."""
    cache_dir: Path = Path(".cache")
    """Downloads that are worth keeping: Triton's binary, the camera-token cache."""
    state_dir: Path = Path(".loc3r")
    """State of the embedded services: databases, logs, process ids."""


def load_settings() -> Settings:
    """Settings of this process, read afresh (no global state)."""
    return Settings()
