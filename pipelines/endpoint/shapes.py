"""Requests and replies in the shapes of ``kfp_server_api``, the client library that Kubeflow generates."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import kfp_server_api

from pipelines.endpoint.status import InvalidError

Json = dict[str, Any]


def accept(model_name: str, body: Json) -> Json:
    """The fields of a request, ``{attribute: value}``; camelCase is accepted, as in protobuf's JSON.

    Raises:
        InvalidError: a field that the API does not have.
    """
    names = getattr(kfp_server_api, model_name).attribute_map.values()
    known = {spelling: name for name in names for spelling in (name, _camel(name))}
    unknown = [key for key in body if key not in known]
    if unknown:
        raise InvalidError(
            f"{model_name} has no field {unknown[0]!r}", received=sorted(unknown), expected=sorted(names),
            fix="check the versions of kfp and kfp-server-api",
        )  # fmt: skip
    return {known[key]: value for key, value in body.items() if value is not None}


def shape(model_name: str, **fields: Any) -> Json:
    """The JSON of an API object, without the fields that are None; one that the model lacks is a ``KeyError``."""
    names = getattr(kfp_server_api, model_name).attribute_map
    return {names[attribute]: value for attribute, value in fields.items() if value is not None}


def now() -> str:
    """This moment as the API writes it: RFC 3339 in UTC with microseconds, so that texts sort as times."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
