"""HTTP: GraphQL by the name of the operation, the file stream, and a store for what is uploaded."""

from __future__ import annotations

import json
import re
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from tests.standin import artifacts, queries, runs, sweeps  # noqa: F401 - they register their answers
from tests.standin.state import OPERATIONS, State

Fault = Literal["stall", "missing", "forbidden", "unauthorized", "broken"]

# Status and words of W&B's own answers.
FAULTS: dict[Fault, tuple[int, str]] = {
    "missing": (404, "project not found"),
    "forbidden": (403, "permission denied"),
    "unauthorized": (401, "user is not logged in"),
    "broken": (500, "internal server error"),
}


class Server(ThreadingHTTPServer):
    """A W&B server on this machine; ``state`` is what has arrived, ``fault`` how it misbehaves from now on.

    ``stall`` takes a request and never answers; :meth:`die` stops listening, so that connections are refused.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.state = State()
        self.state.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.fault: Fault | None = None
        self.over = threading.Event()
        self.dead = False
        self.failures: list[str] = []

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no mistake of the server's; anything else is kept for the test to see."""
        if not isinstance(sys.exception(), ConnectionError):
            self.failures.append(traceback.format_exc())

    @property
    def url(self) -> str:
        return self.state.url

    @property
    def operations(self) -> list[str]:
        """The GraphQL operations that have arrived, in order."""
        return self.state.operations

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The history of the only run."""
        return self._only.history

    @property
    def exit_code(self) -> int | None:
        """How the only run ended."""
        return self._only.exit_code

    @property
    def _only(self) -> Any:
        (run,) = self.state.runs
        return run

    def die(self) -> None:
        """Stop listening, once and for all."""
        if not self.dead:
            self.dead = True
            self.over.set()
            self.shutdown()
            self.server_close()


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on stderr."""

    def do_POST(self) -> None:
        data = self._body()
        if self._misbehaved():
            return
        path = urlsplit(self.path).path
        with self.server.state.lock:
            if path == "/graphql":
                self._json(*self._graphql(json.loads(data)))
            else:
                self._json(200, runs.take_stream(self.server.state, path, json.loads(data)))

    def do_PUT(self) -> None:
        data = self._body()
        if self._misbehaved():
            return
        key = self._key()
        state = self.server.state
        with state.lock:
            state.stored[key] = data
            room, _, rest = key.partition("/")
            if room == "runs":
                entity, project, name, file = rest.split("/", 3)
                run = state.find_run(entity, project, name)
                assert run is not None
                run.files[file] = data
        self._json(200, {})

    def do_GET(self) -> None:
        if self._misbehaved():
            return
        data = self.server.state.stored.get(self._key())
        if data is None:
            self._json(404, {"error": f"{self.path} is not here"})
        else:
            self._send(200, "application/octet-stream", data)

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _key(self) -> str:
        return unquote(urlsplit(self.path).path).removeprefix("/storage/")

    def _misbehaved(self) -> bool:
        fault = self.server.fault
        if fault == "stall":
            self.server.over.wait()
            self.close_connection = True
            return True
        if fault is not None:
            status, words = FAULTS[fault]
            self._json(status, {"errors": [{"message": words}], "data": None})
        return fault is not None

    def _graphql(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        found = re.search(r"(?:query|mutation)\s+(\w+)", body["query"])
        operation = found.group(1) if found else ""
        self.server.operations.append(operation)
        answer = OPERATIONS.get(operation)
        if answer is None:
            self.server.failures.append(f"unknown operation: {body['query']}")
            return 400, {"errors": [{"message": f"the stand-in does not know {operation!r}"}], "data": None}
        try:
            return 200, {"data": answer(self.server.state, body.get("variables") or {})}
        except Exception as error:
            self.server.failures.append(f"{operation}: {traceback.format_exc()}")
            return 400, {"errors": [{"message": f"the stand-in failed: {error!r}"}], "data": None}

    def _json(self, status: int, answer: dict[str, Any]) -> None:
        self._send(status, "application/json", json.dumps(answer).encode())

    def _send(self, status: int, kind: str, data: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@contextmanager
def stand_in() -> Iterator[Server]:
    """A server that runs inside the ``with`` block."""
    server = Server()
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield server
    finally:
        server.die()
