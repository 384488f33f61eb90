"""`kwtui serve`: a strategy behind a small HTTP API."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from glossary.errors import UserError
from glossary.i18n import _
from glossary.text import printable
from kwtui import context

if TYPE_CHECKING:
    import socket

    from engines.extraction.extractor import Extractor
    from engines.extraction.opening import Opener

PORT = 8765
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
# How often the glossary and the labels are looked at for changes, in seconds.
REFRESH = 2.0


def command(
    strategy: str = typer.Option(
        "", "--strategy", "-s", metavar="NAME", help=_("A strategy of config.toml.")
    ),
    model: str = typer.Option(
        "", "--model", "-m", help=_("Another model than the strategy's: name or folder.")
    ),
    host: str = typer.Option("127.0.0.1", "--host", help=_("Address to listen on.")),
    port: int = typer.Option(
        PORT, "--port", "-p", min=0, max=65535, help=_("Port to listen on; 0: any free one.")
    ),
    unix: Path | None = typer.Option(
        None, "--socket", metavar="PATH", help=_("A Unix socket instead of an address.")
    ),
    allow_host: list[str] = typer.Option(
        [], "--allow-host", metavar="NAME", help=_("A further name clients may call it by.")
    ),
    token_file: Path | None = typer.Option(
        None, "--token-file", metavar="PATH", help=_("Where the token lies, or is made.")
    ),
    rate: float = typer.Option(
        200.0, "--rate", min=0, help=_("Requests a second of one client; 0: any number.")
    ),
    body_limit: float = typer.Option(
        8.0, "--body-limit", min=0.01, max=1024, help=_("MiB of one request's body at most.")
    ),
    body_timeout: float = typer.Option(
        20.0, "--body-timeout", min=0.1, help=_("Seconds that a request's body may take.")
    ),
    batch_size: int = typer.Option(
        0, "--batch-size", min=0, max=1024, help=_("Texts decoded together; 0: the strategy's.")
    ),
    as_json: bool = typer.Option(
        False, "--json", help=_("Say address and token file as a JSON object on stdout.")
    ),
) -> None:
    """Answer requests until Ctrl+C or SIGTERM; what was asked before it is answered."""
    from engines.extraction.opening import Opener
    from kwtui.serving.access import read_token, token_path
    from kwtui.serving.guard import Limits

    _need_extra()
    from kwtui.serving.app import make_app
    from kwtui.serving.run import listen, serve, unix_socket

    if unix is None and host not in LOOPBACK and not allow_host:
        message = _(
            "{host} is reachable for others, without encryption. If that is meant, name the host "
            "that clients call with --allow-host; safer is the loopback and an SSH tunnel."
        )
        raise UserError(message.format(host=host))
    file = token_file or token_path()
    token = read_token(file)
    with unix_socket(unix) if unix else nullcontext(listen(host, port)) as listener:
        opener = Opener(context.settings(), context.workspace())
        name = strategy or opener.default_name()
        fresh = _Fresh(opener, name, model or None, batch_size or None)
        first = fresh()
        app = make_app(
            fresh,
            token=token,
            hosts=_hosts(listener, host, allow_host, unix),
            limits=Limits(int(body_limit * 2**20), body_timeout, rate),
            batch=4 * first.strategy.batch_size,
        )
        for note in opener.notes:
            _say(note)
        serve(app, listener, _announcer(first, _address(listener, host, unix), file, as_json))
        app.close()
    _say(_("Stopped; every request that had come was answered."))


def _need_extra() -> None:
    missing = [name for name in ("fastapi", "uvicorn") if find_spec(name) is None]
    if missing:
        message = _("`kwtui serve` needs {names}: pip install 'kwtui[serve]'.")
        raise UserError(message.format(names=", ".join(missing)))


class _Fresh:
    """The strategy's extractor, opened again when its glossary or its labels have changed."""

    def __init__(
        self, opener: Opener, name: str, model: str | None, batch_size: int | None
    ) -> None:
        self._opener = opener
        self._how = (name, model, batch_size)
        self._lock = threading.Lock()
        self._looked = 0.0
        self._extractor: Extractor | None = None

    def __call__(self) -> Extractor:
        with self._lock:
            now = time.monotonic()
            if self._extractor is not None and now - self._looked < REFRESH:
                return self._extractor
            self._looked = now
            if self._opener.refresh() or self._extractor is None:
                name, model, batch_size = self._how
                self._extractor = self._opener.extractor(name, model=model, batch_size=batch_size)
            return self._extractor


def _hosts(
    listener: socket.socket, host: str, allowed: list[str], unix: Path | None
) -> frozenset[str]:
    """The values of Host that are this server's."""
    names = {name.lower() for name in allowed}
    if unix is not None:
        return frozenset(names | {"localhost", "kwtui"})
    port = listener.getsockname()[1]
    names |= {"localhost", "127.0.0.1", "[::1]"} if host in LOOPBACK else {host.lower()}
    return frozenset(names | {f"{name}:{port}" for name in names})


def _address(listener: socket.socket, host: str, unix: Path | None) -> str:
    if unix is not None:
        return f"unix:{unix.absolute()}"
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{listener.getsockname()[1]}"


def _announcer(first: Extractor, address: str, file: Path, as_json: bool) -> Callable[[], None]:
    def announce() -> None:
        if as_json:
            said = {"address": address, "token_file": str(file.absolute())}
            said |= {"strategy": first.name, "model": first.model}
            sys.stdout.write(json.dumps(said, ensure_ascii=False) + "\n")
            sys.stdout.flush()
        message = _("The strategy {name} answers at {address}; the token is in {file}.")
        _say(message.format(name=first.name, address=address, file=file.absolute()))

    return announce


def _say(sentence: str) -> None:
    print(printable(sentence), file=sys.stderr, flush=True)
