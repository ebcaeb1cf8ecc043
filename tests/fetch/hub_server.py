"""A hub on this machine: its listing, its redirect to where large files lie, byte ranges, and cuts in mid-file."""

from __future__ import annotations

import hashlib
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "4f1c0ffee" + 31 * "0"
REPOSITORY = "lmms-lab/LLaVA-Video-7B-Qwen2"


class Hub(ThreadingHTTPServer):
    """Serves ``files``; each cut in ``cuts`` ends an answer after so many bytes; ``asked`` keeps path and range."""

    daemon_threads = True

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.files = files
        self.stated = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
        self.cuts: list[int] = []
        self.asked: list[tuple[str, str | None]] = []
        self.ranges = True
        self.status: int | None = None
        self.media = "application/octet-stream"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def listing(self) -> bytes:
        siblings = []
        for name, content in self.files.items():
            entry = {"rfilename": name, "size": len(content)}
            if name.endswith(".safetensors"):
                entry["lfs"] = {"size": len(content), "sha256": self.stated[name]}
            else:
                entry["blobId"] = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
            siblings.append(entry)
        card = {"license": ["apache-2.0", "mit"]}
        return json.dumps({"sha": COMMIT, "siblings": siblings, "cardData": card}).encode()


class Answer(BaseHTTPRequestHandler):
    server: Hub

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.server.asked.append((path, self.headers["Range"]))
        if self.server.status:
            self.send_error(self.server.status)
        elif path.startswith("/api/"):
            self._send(self.server.listing(), media="application/json")
        elif path.startswith(f"/{REPOSITORY}/resolve/{COMMIT}/"):
            self.send_response(302)
            self.send_header("Location", "/cdn/" + path.rpartition("/")[2])
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            self._send(self.server.files[path.rpartition("/")[2]], media=self.server.media)

    def _send(self, content: bytes, media: str) -> None:
        start = int((self.headers["Range"] or "bytes=0-")[6:].partition("-")[0]) if self.server.ranges else 0
        partial = self.server.ranges and self.headers["Range"]
        self.send_response(206 if partial else 200)
        self.send_header("Content-Type", media)
        self.send_header("Content-Length", str(len(content) - start))
        if partial:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        body = content[start:]
        if media == "application/octet-stream" and self.server.cuts:
            body = body[: self.server.cuts.pop(0)]
            self.close_connection = True
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(files: dict[str, bytes]):
    hub = Hub(files)
    thread = threading.Thread(target=hub.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        hub.server_close()
        thread.join()
