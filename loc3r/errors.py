"""One tree of errors: each says what was received, what was expected and how to mend it.

The command line prints them without a traceback; the wire carries ``code`` (see ``loc3r.client.wire``).
"""

from __future__ import annotations


class Loc3RError(Exception):
    """Base of every error that a user can meet. ``code`` is stable and safe to match on."""

    code = "internal"

    def __init__(self, message: str, *, received: object = None, expected: object = None, fix: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.received = received
        self.expected = expected
        self.fix = fix

    def __str__(self) -> str:
        lines = [self.message]
        if self.received is not None:
            lines.append(f"  received: {self.received}")
        if self.expected is not None:
            lines.append(f"  expected: {self.expected}")
        if self.fix:
            lines.append(f"  fix: {self.fix}")
        return "\n".join(lines)


class RecipeError(Loc3RError):
    """A recipe has an unknown key or a value out of range."""

    code = "recipe"


class SceneError(Loc3RError):
    """A scene on disk breaks the format: names the file and the field."""

    code = "scene"


class FrameError(SceneError):
    """A colour, depth or instance image is missing, corrupt or of the wrong size."""

    code = "frame"


class PoseError(SceneError):
    """A camera pose is missing, not a rigid transform, or holds NaN or infinity."""

    code = "pose"


class VideoError(Loc3RError):
    """A video can't be opened, is truncated or has no frames."""

    code = "video"


class AnnotationError(Loc3RError):
    """An annotation file breaks its published format."""

    code = "annotation"


class DataError(Loc3RError):
    """Prepared data is missing, incomplete or does not fit the recipe."""

    code = "data"


class LeakageError(DataError):
    """A room that is tested on is trained on."""

    code = "leakage"


class ScoreError(Loc3RError):
    """A predictions file breaks its line format, or a benchmark or profile isn't known."""

    code = "score"


class CheckpointError(Loc3RError):
    """A checkpoint is missing, damaged or does not fit the recipe."""

    code = "checkpoint"


class TrainingError(Loc3RError):
    """Training stopped: names the rank and the cause."""

    code = "training"


class QuestionError(Loc3RError):
    """A situation or question is empty or too long."""

    code = "question"


class UnknownSceneError(Loc3RError):
    """The server holds no scene of that id (never opened, closed or evicted)."""

    code = "unknown_scene"


class ServiceError(Loc3RError):
    """A server (MLflow, S3, Triton) did not start, or can't be reached."""

    code = "service"


class DeadlineError(ServiceError):
    """The answer did not come within the deadline."""

    code = "deadline"


class JudgeError(ServiceError):
    """The judge of open answers is not configured, can't be reached or refuses."""

    code = "judge"


class ClusterError(ServiceError):
    """The Kubernetes API can't be reached or refuses, or a job on it is gone."""

    code = "cluster"


class RegistryError(Loc3RError):
    """A model, version or alias does not exist in the registry."""

    code = "registry"
