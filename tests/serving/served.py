"""The real `kwtui serve` in a process of its own, and a client for it."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from engines.children import python_environment

# Ten seconds for a request's head are long in a test.
PROGRAM = (
    "import sys; import kwtui.serving.run as run; run.HEAD_SECONDS = 1.0; "
    "from kwtui.cli import run as cli; sys.exit(cli(sys.argv[1:]))"
)


@dataclass
class Served:
    """A running server: `port`, or a Unix socket; `client` carries the token."""

    process: subprocess.Popen[str]
    said: dict[str, str]
    token: str
    client: httpx2.Client

    @property
    def port(self) -> int:
        return int(self.said["address"].rsplit(":", 1)[1])

    def extract(self, *texts: str) -> list[list[str]]:
        """The keywords of each text."""
        answer = self.client.post("/extract", json={"texts": list(texts)})
        assert answer.status_code == 200, answer.text
        results = answer.json()["results"]
        return [[keyword["surface"] for keyword in result["keywords"]] for result in results]

    def raw(self, data: bytes, timeout: float = 30.0) -> bytes:
        """What comes back for these bytes on a connection of their own."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout) as connection:
            connection.sendall(data)
            received = b""
            while piece := connection.recv(65536):
                received += piece
            return received

    def head(self, method: str = "POST", path: str = "/extract", **headers: str) -> bytes:
        """The head of a request with the token."""
        values = {"Host": f"127.0.0.1:{self.port}", "Authorization": f"Bearer {self.token}"}
        values |= {"Content-Type": "application/json"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        lines = [f"{method} {path} HTTP/1.1", *(f"{n}: {v}" for n, v in values.items() if v)]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()


@contextmanager
def serving(folder: Path, *options: str | Path, unix: Path | None = None) -> Iterator[Served]:
    """`kwtui serve` with these options, ended by SIGTERM at the end."""
    command = [sys.executable, "-P", "-c", PROGRAM, "serve", "--json"]
    command += ["--socket", str(unix)] if unix else ["--port", "0"]
    command += ["--token-file", str(folder / "token"), *map(str, options)]
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=python_environment(os.environ | {"OMP_NUM_THREADS": "1"}),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    try:
        said: dict[str, Any] = json.loads(process.stdout.readline())
        token = Path(said["token_file"]).read_text().strip()
        transport = httpx2.HTTPTransport(uds=str(unix)) if unix else None
        with httpx2.Client(
            base_url="http://localhost" if unix else said["address"],
            headers={"authorization": f"Bearer {token}"},
            transport=transport,
            timeout=60,
            trust_env=False,
        ) as client:
            yield Served(process, said, token, client)
    finally:
        process.terminate()
        process.wait(timeout=60)
        process.stdout.close()
