"""What a fetch leaves beside the weights: ``fetched.json``, with source, version, licence and every hash."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from loc3r.errors import CheckpointError

RECORD_FILE = "fetched.json"


class FetchedFile(BaseModel):
    """A file that came whole."""

    model_config = ConfigDict(frozen=True)

    size_bytes: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    hash_stated_by_source: bool = False


class Fetched(BaseModel):
    """The record of a fetch that ended."""

    model_config = ConfigDict(frozen=True)

    name: str
    licence: str | None = None
    licence_at_source: str | None = None
    """What the source itself says."""
    source: str | None = None
    revision: str | None = None
    files: dict[str, FetchedFile]

    @classmethod
    def parse(cls, content: bytes, place: object) -> Fetched:
        """Read a record that lies at ``place``.

        Raises:
            CheckpointError: it is damaged; says where.
        """
        try:
            return cls.model_validate_json(content)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise CheckpointError(
                f"the record of a fetch is damaged: {place}",
                received=f"{where}: {first['msg']}" if where else first["msg"],
                expected=f"what loc3r fetch writes into {RECORD_FILE}",
                fix="copy it again, or remove it: a folder or bucket of weights is then taken as it lies",
            ) from error
