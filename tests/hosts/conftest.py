"""A workspace with a tiny model and a few terms, and hosts that are closed after each test."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engines.settings import Settings, StrategySettings, load
from engines.workspace import Workspace
from glossary.store import Glossary
from glossary.term import Term
from kwtui.hosts import Host, State
from tests import tiny

TERMS = [
    Term("", "파스", (), "약을 바른 외용제", "제형"),
    Term("", "임산부", ("임신부",), "", "대상"),
    Term("", "노인", (), "", "대상"),
    Term("", "진통", (), "", "효능"),
    Term("", "의약품", keyword=False),
]

Starter = Callable[..., Host]


@pytest.fixture(scope="package", autouse=True)
def one_thread() -> Iterator[None]:
    """A core each: threads of torch that wait for a busy core spin instead of working."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        yield


@pytest.fixture(scope="session")
def space(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The workspace; tests do not write into it."""
    made = Workspace.create(tmp_path_factory.mktemp("hosts") / "space")
    tiny.write_model(made.models / "tiny")
    strategy = '[strategies.tiny]\nmodel = "tiny"\nmax_new_tokens = 48\n'
    made.config.write_text(made.config.read_text(encoding="utf-8") + strategy, encoding="utf-8")
    Glossary.open(made.glossary_path, create=True).upsert(TERMS, author="test")
    return made


@pytest.fixture(scope="session")
def settings(space: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The settings of the workspace."""
    found = load(space.root, environ={}, user=tmp_path_factory.mktemp("user") / "none.toml")
    assert isinstance(found.strategies["tiny"], StrategySettings)
    return found


@pytest.fixture
def start(space: Workspace, settings: Settings) -> Iterator[Starter]:
    """Make a host: `start("glossary", workspace=..., idle=0.3)`; its states go to `states`."""
    made: list[Host] = []

    def make(
        service: str,
        *,
        workspace: Workspace | None = space,
        idle: float = 60.0,
        states: list[State] | None = None,
        errors: list[str] | None = None,
    ) -> Host:
        own = settings.model_copy(deep=True)
        own.hosts.idle_unload_s = idle

        def hear(changed: Host) -> None:
            if states is not None:
                states.append(changed.state)
            if errors is not None and changed.error:
                errors.append(changed.error)

        host = Host(service, own, workspace, on_state=hear)
        made.append(host)
        return host

    yield make
    for host in made:
        host.close()


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    """A folder with modules that leave a mark there when anything imports them."""
    for name in ("torch", "engines", "glossary", "kwtui", "multiprocessing", "pickle", "typing"):
        package = tmp_path / name
        package.mkdir()
        mark = f"open({str(tmp_path / 'imported')!r}, 'a').write({name!r})\nraise SystemExit(7)\n"
        (package / "__init__.py").write_text(mark, encoding="utf-8")
    return tmp_path
