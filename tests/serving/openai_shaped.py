"""A small HTTP server in the shape of OpenAI's API, with the faults of real ones on demand."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

# What a request is answered with: status, headers, body; None: as a model would.
Fault = tuple[int, dict[str, str], bytes] | None


class Shaped(ThreadingHTTPServer):
    """Answers a chat with the words of its last line; `fault` may say otherwise, by number."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.address = f"http://127.0.0.1:{self.server_address[1]}/v1"
        self.models: Any = {"data": [{"id": "kw-mini", "owned_by": "someone"}]}
        self.fault: Callable[[int, dict[str, Any]], Fault] = lambda _n, _body: None
        self.keys: list[str] = []
        self.asked: list[dict[str, Any]] = []
        self.at_once = self.most_at_once = 0
        self.lock = threading.Lock()
        self.delay = 0.0


class _Handler(BaseHTTPRequestHandler):
    server: Shaped
    protocol_version = "HTTP/1.1"

    def log_message(self, *_arguments: Any) -> None:
        """Nothing on stderr."""

    def do_GET(self) -> None:
        self.server.keys.append(self.headers.get("authorization", ""))
        if self.path == "/v1/models":
            self._send(200, {}, json.dumps(self.server.models).encode())
        else:
            self._send(404, {}, b'{"error": {"message": "no such path"}}')

    def do_POST(self) -> None:
        server = self.server
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        with server.lock:
            server.asked.append(body)
            number = len(server.asked)
            server.at_once += 1
            server.most_at_once = max(server.most_at_once, server.at_once)
        try:
            if server.delay:
                time.sleep(server.delay)
            fault = server.fault(number, body)
        finally:
            with server.lock:
                server.at_once -= 1
        if fault is not None:
            self._send(*fault)
            return
        prompt = body["messages"][-1]["content"] if "messages" in body else body["prompt"]
        asked = [line for line in prompt.splitlines() if line.startswith("글: ")]
        text = asked[-1] if asked else ""
        answer = json.dumps(text.removeprefix("글: ").split()[:2], ensure_ascii=False)
        shape = {"message": {"content": answer}} if "messages" in body else {"text": answer}
        choice = {**shape, "finish_reason": "stop"}
        usage = {"prompt_tokens": 7, "completion_tokens": 3}
        self._send(200, {}, json.dumps({"choices": [choice], "usage": usage}).encode())

    def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        if status == 0:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.send_response(status)
        for name, value in {"content-length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def shaped() -> Iterator[Shaped]:
    """The server, running while the block does."""
    server = Shaped()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
