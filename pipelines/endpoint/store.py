"""What outlives the server: experiments, pipelines, versions and runs, as the API's own JSON, in one SQLite file."""

from __future__ import annotations

import base64
import json
import sqlite3
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pipelines.endpoint.filters import Query, sql_of
from pipelines.endpoint.shapes import Json
from pipelines.endpoint.status import InvalidError, NotFoundError

Kind = Literal["experiment", "pipeline", "version", "run"]


@dataclass(frozen=True)
class Page:
    """One page of a list; ``next_page_token`` is empty on the last."""

    items: list[Json] = field(repr=False)
    total_size: int
    next_page_token: str

    def reply(self, name: str) -> Json:
        """The list's reply, with the objects under ``name``."""
        return {name: self.items, "total_size": self.total_size, "next_page_token": self.next_page_token}


class Store:
    """Objects by kind and id. Every call is a transaction; threads may share a store."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS objects (kind TEXT, id TEXT, body TEXT NOT NULL, PRIMARY KEY (kind, id))"
        )

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def put(self, kind: Kind, id: str, body: Json) -> Json:
        """Keep a new object, or replace it whole."""
        with self._lock:
            self._db.execute("REPLACE INTO objects VALUES (?, ?, ?)", (kind, id, json.dumps(body)))
        return body

    def get(self, kind: Kind, id: str) -> Json:
        """One object.

        Raises:
            NotFoundError: there is none.
        """
        with self._lock:
            row = self._db.execute("SELECT body FROM objects WHERE kind = ? AND id = ?", (kind, id)).fetchone()
        if row is None:
            raise NotFoundError(f"no {kind} of this id", received=id, fix=f"`kfp {kind} list` shows what there is")
        body: Json = json.loads(row[0])
        return body

    def update(self, kind: Kind, id: str, **fields: Any) -> Json:
        """Change some fields of an object."""
        with self._lock:
            return self.put(kind, id, {**self.get(kind, id), **fields})

    def delete(self, kind: Kind, id: str) -> None:
        """Forget an object."""
        with self._lock:
            self._db.execute("DELETE FROM objects WHERE kind = ? AND id = ?", (kind, id))

    def find(self, kind: Kind, **equal: str) -> list[Json]:
        """All objects whose fields equal these, oldest first."""
        return self.page(kind, Query(page_size=-1), equal).items

    def page(self, kind: Kind, query: Query, equal: Mapping[str, str] | None = None) -> Page:
        """A page of a list, by key: objects that come or go between two pages neither repeat nor hide others.

        Raises:
            InvalidError: a filter, sort field or page token that can't be understood.
        """
        where, values = sql_of(kind, query, equal or {})
        order, direction = query.order(kind)
        total = self._rows(f"SELECT count(*) FROM objects WHERE {where}", values)[0][0]
        if query.page_token:
            last = _read_token(query.page_token)
            where += f" AND ({order}, id) {'<' if direction == 'DESC' else '>'} (?, ?)"
            values = [*values, *last]
        rows = self._rows(
            f"SELECT body, {order}, id FROM objects WHERE {where} ORDER BY {order} {direction}, id {direction} LIMIT ?",
            [*values, query.page_size + 1 if query.page_size > 0 else -1],
        )
        more = 0 < query.page_size < len(rows)
        shown = rows[: query.page_size] if more else rows
        token = _write_token(*shown[-1][1:]) if more else ""
        return Page([json.loads(row[0]) for row in shown], total, token)

    def _rows(self, statement: str, values: list[Any]) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._db.execute(statement, values).fetchall()


def _write_token(value: object, id: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([value, id]).encode()).decode()


def _read_token(token: str) -> list[Any]:
    try:
        value, id = json.loads(base64.urlsafe_b64decode(token))
    except ValueError as error:
        raise InvalidError(
            "not a page token of this server", received=token, fix="take it from the page before"
        ) from error
    return [value, id]
