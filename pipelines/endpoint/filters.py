"""Lists: ``filter`` (Kubeflow's filter.proto as JSON), ``sort_by`` and paging, turned into SQLite's words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from pipelines.endpoint.status import InvalidError

Operation = Literal[
    "EQUALS", "NOT_EQUALS", "GREATER_THAN", "GREATER_THAN_EQUALS", "LESS_THAN", "LESS_THAN_EQUALS", "IN", "IS_SUBSTRING"
]
NUMBERS: dict[int, Operation] = {
    1: "EQUALS", 2: "NOT_EQUALS", 3: "GREATER_THAN", 5: "GREATER_THAN_EQUALS", 6: "LESS_THAN",
    7: "LESS_THAN_EQUALS", 8: "IN", 9: "IS_SUBSTRING",
}  # fmt: skip
"""filter.proto's numbers, which the SDK sends."""
COMPARISONS: dict[str, str] = {
    "EQUALS": "=", "NOT_EQUALS": "!=", "GREATER_THAN": ">", "GREATER_THAN_EQUALS": ">=", "LESS_THAN": "<",
    "LESS_THAN_EQUALS": "<=",
}  # fmt: skip
FIELDS: dict[str, frozenset[str]] = {
    "experiment": frozenset({"experiment_id", "display_name", "description", "created_at", "storage_state"}),
    "pipeline": frozenset({"pipeline_id", "display_name", "name", "description", "created_at"}),
    "version": frozenset({"pipeline_version_id", "display_name", "name", "description", "created_at"}),
    "run": frozenset(
        {
            "run_id",
            "display_name",
            "description",
            "created_at",
            "finished_at",
            "state",
            "storage_state",
            "experiment_id",
        }
    ),
}
"""What each kind can be filtered and sorted by."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, populate_by_name=True)


class _Values(_Strict):
    values: list[str | int]


class Predicate(_Strict):
    """One condition on one field; all predicates of a filter must hold."""

    operation: Annotated[Operation, BeforeValidator(lambda given: NUMBERS.get(given, given))]
    key: str
    int_value: int | None = None
    long_value: int | None = None
    string_value: str | None = None
    timestamp_value: str | None = None
    int_values: _Values | None = None
    long_values: _Values | None = None
    string_values: _Values | None = None

    def sql(self, kind: str) -> tuple[str, list[Any]]:
        """The condition and the values that it binds.

        Raises:
            InvalidError: no value, or one of the wrong kind for the operation.
        """
        column = column_of(kind, self.key)
        several = self.int_values or self.long_values or self.string_values
        one = [self.int_value, self.long_value, self.string_value, self.timestamp_value]
        value = next((each for each in one if each is not None), None)
        if self.operation == "IN" and several:
            return f"{column} IN ({', '.join('?' * len(several.values))})", [*several.values]
        if self.operation == "IS_SUBSTRING" and isinstance(value, str):
            return f"instr({column}, ?) > 0", [value]
        if self.operation in COMPARISONS and value is not None:
            return f"{column} {COMPARISONS[self.operation]} ?", [value]
        raise InvalidError(
            f"a filter's {self.operation} lacks its value", received=self.model_dump(exclude_none=True),
            expected="IN takes string_values, IS_SUBSTRING a string_value, the others one value",
        )  # fmt: skip


class Filter(_Strict):
    """Kubeflow's ``Filter`` message."""

    predicates: list[Predicate] = []


class Query(BaseModel):
    """How a list is asked for."""

    model_config = ConfigDict(frozen=True)

    page_token: str = ""
    page_size: int = 20
    """Objects on a page; 0 asks for the default, a negative number for all."""
    sort_by: str = ""
    filter: str = ""

    def order(self, kind: str) -> tuple[str, str]:
        """Column and direction (ASC or DESC); the oldest first by default.

        Raises:
            InvalidError: the field or the direction isn't known.
        """
        name, _, direction = (self.sort_by or "created_at").strip().partition(" ")
        direction = direction.strip().upper() or "ASC"
        if direction not in ("ASC", "DESC"):
            raise InvalidError(
                "sort_by can't be understood", received=self.sort_by, expected="FIELD, FIELD asc, FIELD desc"
            )
        return column_of(kind, name), direction

    def predicates(self) -> list[Predicate]:
        """The filter's conditions.

        Raises:
            InvalidError: the filter isn't the JSON of a ``Filter`` message.
        """
        if not self.filter:
            return []
        try:
            return Filter.model_validate_json(self.filter).predicates
        except ValidationError as error:
            raise InvalidError(
                f"the filter can't be understood: {error.errors()[0]['msg']}", received=self.filter,
                expected='{"predicates": [{"operation": "EQUALS", "key": "display_name", "string_value": "NAME"}]}',
            ) from error  # fmt: skip


def column_of(kind: str, key: str) -> str:
    """The SQL of a field of an object; ``name`` and ``id`` mean the kind's own where it has no such field."""
    fields = FIELDS[kind]
    own_id = "pipeline_version_id" if kind == "version" else f"{kind}_id"
    name = key if key in fields else {"name": "display_name", "id": own_id}.get(key, key)
    if name not in fields:
        raise InvalidError(f"a {kind} can't be filtered or sorted by {key!r}", expected=sorted(fields))
    return f"coalesce(json_extract(body, '$.{name}'), '')"


def sql_of(kind: str, query: Query, equal: Mapping[str, str]) -> tuple[str, list[Any]]:
    """The WHERE of a list, and the values that it binds."""
    conditions, values = ["kind = ?"], [kind]
    for name, value in equal.items():
        conditions.append(f"json_extract(body, '$.{name}') = ?")
        values.append(value)
    for predicate in query.predicates():
        condition, bound = predicate.sql(kind)
        conditions.append(condition)
        values += bound
    return " AND ".join(conditions), values
