"""The endpoint as users start it, and the swagger that its replies must fit."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import kfp

SWAGGER = Path(__file__).resolve().parents[3] / "shared" / "schemas" / "kfp_api_single_file.swagger.json"
DEADLINE_S = 240.0


class Endpoint:
    """A running ``loc3r pipeline serve``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "loc3r", "pipeline", "serve", "--port", "0"],
            stdout=subprocess.PIPE,
            text=True,
            cwd=folder,
            env={**os.environ, "LOC3R_STATE_DIR": str(folder / "state")},
        )
        assert self.process.stdout is not None
        first = self.process.stdout.readline()
        assert first.startswith("listening"), first
        self.url = first.split()[-1]

    def client(self) -> kfp.Client:
        """The SDK's client of this server."""
        return kfp.Client(host=self.url)

    def kill(self) -> None:
        """End the server as a power cut would; its runs go on."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """End the server as Ctrl-C does."""
        self.process.terminate()
        assert self.process.wait(30) in (0, -15)


def check_reply(swagger: dict[str, Any], method: str, url: str, reply: Any) -> str:
    """Fail unless ``reply`` fits what the swagger says of this operation, with no field beside; its name."""
    path = url.split("?")[0][url.index("/apis") :]
    for template, operations in swagger["paths"].items():
        pattern = re.sub(r"\\\{[^}]+\\\}", r"[^/:]+", re.escape(template))
        if re.fullmatch(pattern, path) and method.lower() in operations:
            operation = operations[method.lower()]
            schema = {**operation["responses"]["200"]["schema"], "definitions": _closed(swagger["definitions"])}
            jsonschema.Draft4Validator(schema, format_checker=jsonschema.FormatChecker()).validate(reply)
            return str(operation["operationId"])
    raise AssertionError(f"the swagger has no {method} {path}")


def _closed(definitions: dict[str, Any]) -> dict[str, Any]:
    """The definitions, with fields that they do not name forbidden."""
    return {
        name: {**each, "additionalProperties": False} if each.get("properties") and name != "protobufAny" else each
        for name, each in definitions.items()
    }


def eventually(what: Callable[[], Any]) -> Any:
    """The first true answer of ``what``; fails after some minutes."""
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        if answer := what():
            return answer
        time.sleep(0.1)
    raise AssertionError("it never came true")
