"""Errors as Kubeflow's gateway words them: an HTTP status and Google's ``{code, message, details}``."""

from __future__ import annotations

from typing import Any, ClassVar

from loc3r.errors import Loc3RError


class ApiError(Loc3RError):
    """A request that can't be served; ``http_status`` and ``rpc_code`` are what the client sees."""

    code = "pipeline"
    http_status: ClassVar[int] = 500
    rpc_code: ClassVar[int] = 13


class InvalidError(ApiError):
    """The request breaks the API: a field, a filter, a package, an argument."""

    http_status = 400
    rpc_code = 3


class NotFoundError(ApiError):
    """No object of that id or name."""

    http_status = 404
    rpc_code = 5


class ExistsError(ApiError):
    """The name is taken."""

    http_status = 409
    rpc_code = 6


class ForbiddenError(ApiError):
    """A web page of another origin may not command this server."""

    http_status = 403
    rpc_code = 7


class StateError(ApiError):
    """The object's state does not allow it: a running run is not deleted, a finished one not terminated."""

    http_status = 400
    rpc_code = 9


class UnimplementedError(ApiError):
    """Kubeflow on a cluster does this; this endpoint does not."""

    http_status = 501
    rpc_code = 12


def status_json(message: str, rpc_code: int) -> dict[str, Any]:
    """``googleRpcStatus`` of the swagger."""
    return {"code": rpc_code, "message": message, "details": []}
