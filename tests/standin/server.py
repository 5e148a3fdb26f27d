"""Just enough of a W&B server on this machine to start, feed and finish an online run."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PROJECT = {"id": "P", "name": "lifelong-kd", "entity": {"id": "E", "name": "someone"}}


class Server(ThreadingHTTPServer):
    """Answers by the name of the GraphQL operation; ``operations`` and ``lines`` are what has arrived."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.operations: list[str] = []
        self.lines: list[dict[str, Any]] = []
        self.exit_code: int | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on stderr."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
        self._reply(self._graphql(body) if self.path == "/graphql" else self._stream(body))

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._reply({})

    def do_GET(self) -> None:
        self._reply({})

    def _reply(self, answer: dict[str, Any]) -> None:
        data = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, body: dict[str, Any]) -> dict[str, Any]:
        for line in body.get("files", {}).get("wandb-history.jsonl", {}).get("content", []):
            self.server.lines.append(json.loads(line))
        if body.get("complete"):
            self.server.exit_code = body.get("exitcode")
        return {}

    def _graphql(self, body: dict[str, Any]) -> dict[str, Any]:
        found = re.search(r"(?:query|mutation)\s+(\w+)", body.get("query", ""))
        operation = found.group(1) if found else ""
        self.server.operations.append(operation)
        variables = body.get("variables") or {}
        run = {"id": "R", "name": variables.get("name"), "displayName": variables.get("displayName")}
        answers: dict[str, Any] = {
            "Viewer": {"viewer": {"id": "V", "entity": "someone", "username": "someone", "flags": "{}"}},
            "ServerFeaturesQuery": {"serverInfo": {"features": []}},
            "RunResumeStatus": {"model": None},
            "UpsertBucket": {"upsertBucket": {"bucket": {**run, "project": PROJECT}, "inserted": True}},
            "CreateRunFiles": {
                "createRunFiles": {"runID": "R", "uploadHeaders": [], "files": self._files(variables)}
            },
        }
        return {"data": answers.get(operation, {})}

    def _files(self, variables: dict[str, Any]) -> list[dict[str, str]]:
        return [
            {"name": name, "uploadUrl": f"{self.server.url}/put/{name}"}
            for name in variables.get("files", [])
        ]


@contextmanager
def fake_server() -> Iterator[Server]:
    """A server that runs inside the ``with`` block."""
    server = Server()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
