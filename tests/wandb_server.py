"""As much of a Weights & Biases server as a run needs to begin; it can be taken away."""

from __future__ import annotations

import gzip
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any


class DummyServer:
    """At `url`; `is_used` once curves were sent to it, which is the last thing that it takes."""

    def __init__(self) -> None:
        self.is_used = Event()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"home": self}))
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        Thread(target=self._http.serve_forever, daemon=True).start()

    def go(self) -> None:
        """From now on connections are refused."""
        self._http.shutdown()
        self._http.server_close()


class _Handler(BaseHTTPRequestHandler):
    home: DummyServer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if "file_stream" in self.path:
            self.home.is_used.set()
            Thread(target=self.home.go, daemon=True).start()
        elif self.path.startswith("/graphql"):
            body = gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body
            return self._answer({"data": _answer(**json.loads(body))})
        return self._answer({})

    def _answer(self, content: Any) -> None:
        text = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: Any) -> None:
        """Silent."""


def _answer(query: str, variables: Any = None, **_: Any) -> dict[str, Any]:
    if "upsertBucket" in query:
        name, project = variables["name"], {"id": "p", "name": "neuronprobe", "entity": {"id": "e", "name": "me"}}
        bucket = {"id": "b", "name": name, "displayName": name, "project": project, "historyLineCount": 0}
        return {"upsertBucket": {"bucket": bucket, "inserted": True}}
    if "viewer" in query:
        nobody = {"edges": []}
        return {"viewer": {"id": "v", "entity": "me", "username": "me", "flags": "{}", "teams": nobody}}
    return {"serverInfo": {"features": []}} if "serverInfo" in query else {}
