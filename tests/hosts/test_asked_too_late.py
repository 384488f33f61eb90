"""Who asks a service while the app is leaving is told that there is no answer."""

from pathlib import Path

import pytest

from engines.settings import load
from kwtui.hosts import Host, RequestCancelled


def test_a_host_that_is_closed_answers_nothing_and_starts_nothing(tmp_path: Path) -> None:
    host = Host("glossary", load(None, environ={}, user=tmp_path / "config.toml"))
    host.close()
    request = host.submit("count")
    with pytest.raises(RequestCancelled):
        request.result(5)
    assert host.pid is None
