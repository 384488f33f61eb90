"""An exported file run by llama.cpp, in a process of its own that nobody else can reach.

The server of llama.cpp listens on a Unix socket in a private folder. A model that makes llama.cpp
abort ends that process, not this one.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Literal, Self

from engines.children import python_command, python_environment
from engines.extraction.decoding import Decoded, Request
from engines.extraction.gbnf import gbnf
from engines.extraction.grammar import Grammar, close_array, parse_answer
from glossary.errors import FailedError, UserError
from glossary.i18n import _

Method = Literal["llguidance", "gbnf", "free"]
_SOCKET = "llama.sock"
# A Unix socket's path holds 107 bytes at most.
_LONGEST = 100


def require_llamacpp() -> None:
    """UserError where llama.cpp (the extra) is not installed."""
    if importlib.util.find_spec("xllamacpp") is None:
        message = _(
            "The proof runs the file in llama.cpp, which is not installed: `pip install "
            "'kwtui[llamacpp]'`, or export with --no-proof."
        )
        raise UserError(message)


class LlamaCpp:
    """One GGUF file in llama.cpp on the CPU, greedy, with float32 keys and values.

    `context` counts tokens of prompt and answer. A context manager; FailedError when the file
    cannot be loaded or the process ends.
    """

    def __init__(self, path: Path, *, context: int, threads: int = 0) -> None:
        require_llamacpp()
        self._folder = Path(tempfile.mkdtemp(prefix="kwtui-", dir=_short_folder()))
        self._address = str(self._folder / _SOCKET)
        count = threads or _cores()
        self._log = (self._folder / "log.txt").open("wb")
        self._process: subprocess.Popen[bytes] = subprocess.Popen(
            python_command(
                "engines.export.llamacpp_server",
                str(path.absolute()),
                self._address,
                str(context),
                str(count),
            ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=python_environment(),
        )
        self._method: Method | None = None
        self._connection: _Connection | None = None
        try:
            self._wait(path)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the process and remove its folder."""
        if self._connection is not None:
            self._connection.close()
        for pipe in (self._process.stdin, self._process.stdout):
            _close(pipe)
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def tokens(self, text: str) -> list[int]:
        """The tokens of `text`, without those that are put around a text."""
        body = {"content": text, "add_special": False, "parse_special": True}
        return [int(token) for token in self.post("/tokenize", body)["tokens"]]

    def around(self, text: str) -> list[int]:
        """The tokens of `text` with those that llama.cpp puts around it."""
        body = {"content": text, "add_special": True, "parse_special": True}
        return [int(token) for token in self.post("/tokenize", body)["tokens"]]

    def complete(
        self, prompt: Sequence[int], limit: int, *, grammar: str = ""
    ) -> tuple[str, list[int], bool]:
        """The greedy answer to `prompt`: its text, its tokens, and whether `limit` cut it off."""
        body: dict[str, Any] = {
            "prompt": list(prompt),
            "n_predict": limit,
            "temperature": 0.0,
            "repeat_penalty": 1.0,
            "return_tokens": True,
            "cache_prompt": False,
        }
        if grammar:
            body["grammar"] = grammar
        answer = self.post("/completion", body)
        tokens = [int(token) for token in answer["tokens"]]
        return str(answer["content"]), tokens, answer.get("stop_type") == "limit"

    def method(self) -> Method:
        """How this llama.cpp can be held to the text: by llguidance, by GBNF, or not at all."""
        if self._method is None:
            known: tuple[Method, ...] = ("llguidance", "gbnf")
            obeyed = (method for method in known if self._obeys(method))
            self._method = next(obeyed, None) or "free"
        return self._method

    def generate(
        self,
        requests: Sequence[Request],
        *,
        max_new_tokens: int,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> list[tuple[Decoded, list[int]]]:
        """The answers as `engines.extraction.decoding.Decoder` would give them, with their tokens.

        One at a time: what is batched with a text must not change its answer.
        """
        answers = []
        for request in requests:
            answers.append(self._answer(request, max_new_tokens))
            if on_progress is not None:
                on_progress(len(answers), len(requests))
        return answers

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """One request to the server; FailedError when it refuses or is gone."""
        try:
            if self._connection is None:
                self._connection = _Connection(self._address)
            headers = {"Content-Type": "application/json"}
            self._connection.request("POST", path, json.dumps(body), headers)
            response = self._connection.getresponse()
            values = json.loads(response.read())
        except (OSError, HTTPException, ValueError) as error:
            self._connection = None
            raise FailedError(self._reason(error)) from error
        if response.status != 200:
            reason = values.get("error", {}).get("message", response.status)
            raise FailedError(_("llama.cpp refused a request: {error}").format(error=reason))
        found: dict[str, Any] = values
        return found

    def _answer(self, request: Request, limit: int) -> tuple[Decoded, list[int]]:
        grammar = self._grammar(request) if request.constrained else ""
        raw, tokens, cut = self.complete(request.prompt_ids, limit, grammar=grammar)
        repaired = bool(grammar) and cut and not parse_answer(raw)[1]
        whole = close_array(raw) if repaired else raw
        return Decoded(whole, len(tokens), cut, repaired, bool(grammar)), tokens

    def _grammar(self, request: Request) -> str:
        grammar = Grammar(request.text, request.allowed)
        method = self.method()
        if method == "llguidance":
            return llguidance(grammar)
        return gbnf(request.text, request.allowed) if method == "gbnf" else ""

    def _obeys(self, method: Method) -> bool:
        only = Grammar("가")
        rules = llguidance(only) if method == "llguidance" else gbnf(only.text)
        try:
            raw, _tokens, _cut = self.complete(self.tokens("가") or [0], 8, grammar=rules)
        except FailedError:
            return False
        return raw.strip().startswith(("[]", '["가"'))

    def _wait(self, path: Path) -> None:
        assert self._process.stdout is not None
        if self._process.stdout.readline().strip() != b"ready":
            self._process.wait()
            message = _("llama.cpp cannot load {path}: {error}")
            raise FailedError(message.format(path=path, error=self._last_error()))

    def _reason(self, error: Exception) -> str:
        if self._process.poll() is not None:
            return _("llama.cpp ended unexpectedly: {error}").format(error=self._last_error())
        return _("llama.cpp does not answer: {error}").format(error=error)

    def _last_error(self) -> str:
        lines = (self._folder / "log.txt").read_text(errors="replace").splitlines()
        told = [line for line in lines if "error loading model" in line]
        told = told or [line for line in lines if "error" in line.lower()]
        return (told or lines or ["-"])[-1].strip()[-300:]


def llguidance(grammar: Grammar) -> str:
    """The grammar of `engines.extraction.grammar` as a llama.cpp with llguidance takes it."""
    return "%llguidance {}\n" + grammar.lark()


class _Connection(HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, address: str) -> None:
        super().__init__("localhost", timeout=600)
        self._address = address

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._address)


def _cores() -> int:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return usable or 1


def _short_folder() -> str:
    usual = tempfile.gettempdir()
    return usual if len(usual) + len(_SOCKET) + 20 < _LONGEST else "/tmp"


def _close(pipe: IO[bytes] | None) -> None:
    if pipe is not None:
        pipe.close()
