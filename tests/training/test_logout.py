"""Systems that end a user's processes at logout are warned of."""

from pathlib import Path

import pytest

from engines.training.logout import kills_at_logout, warning
from kwtui.doctor.surroundings import logout


@pytest.mark.parametrize(
    ("files", "kills"),
    [
        ({}, False),
        ({"etc/systemd/logind.conf": "[Login]\n#KillUserProcesses=yes\n"}, False),
        ({"etc/systemd/logind.conf": "[Login]\nKillUserProcesses=yes\n"}, True),
        (
            {
                "etc/systemd/logind.conf": "[Login]\nKillUserProcesses=yes\n",
                "etc/systemd/logind.conf.d/lab.conf": "[Login]\nKillUserProcesses=no\n",
            },
            False,
        ),
        ({"usr/lib/systemd/logind.conf.d/x.conf": "[Login]\nKillUserProcesses=1\n"}, True),
    ],
)
def test_a_system_that_kills_at_logout_is_warned_of(
    tmp_path: Path, files: dict[str, str], kills: bool
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert kills_at_logout(tmp_path) is kills
    said = warning(root=tmp_path)
    assert ("systemd-run --user" in said) is kills
    found = logout(tmp_path)
    assert (found.state, found.cure) == (("warning", said) if kills else ("ok", ""))
