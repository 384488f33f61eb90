"""What these tests share: kw-mini as a GGUF file behind a real llama.cpp server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from engines.workspace import assets
from tests.llama_server import LlamaServer


@pytest.fixture(scope="session")
def gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from engines.export.gguf import export_gguf

    target = tmp_path_factory.mktemp("gguf") / "kw-mini.gguf"
    return export_gguf(assets() / "kw-mini", target, "f32").path


@pytest.fixture(scope="session")
def running(gguf: Path) -> Iterator[LlamaServer]:
    """A server that stays up."""
    server = LlamaServer(gguf)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def mortal(gguf: Path) -> Iterator[LlamaServer]:
    """A server for one test, which may kill it; not started yet."""
    server = LlamaServer(gguf)
    yield server
    server.kill()
