"""The package: what is built is whole, and what it is built on is accounted for."""

import re
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).resolve().parents[2]
# What a wheel is worth nothing without.
NEEDED = (
    *("kwtui/py.typed", "engines/py.typed", "glossary/py.typed"),
    *("kwtui/theme.tcss", "kwtui/locale/ko/LC_MESSAGES/kwtui.mo"),
    *("kwtui/_assets/config.toml", "kwtui/_assets/constraints.txt"),
    *("kwtui/_assets/kw-mini/model.safetensors", "kwtui/_assets/kw-mini/chat_template.jinja"),
    *("kwtui/_assets/kw-mini/tokenizer.json", "kwtui/_assets/embedding/model/model.safetensors"),
    *("kwtui/_assets/demo/train.jsonl", "kwtui/_assets/demo/glossary.jsonl"),
    *("kwtui/_assets/prompts/ko.jinja", "kwtui/_assets/prompts/en.jinja"),
    "kwtui/_assets/general/ko.txt.xz",
)


def project() -> dict[str, object]:
    values: dict[str, object] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return values


def names(entries: object) -> set[str]:
    assert isinstance(entries, list)
    return {re.split(r"[=<>\[; ]", entry)[0] for entry in entries}


def test_every_direct_dependency_is_accounted_for_in_its_tested_version() -> None:
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith("| ")]
    told = {row[0].removeprefix("| "): row for row in rows if len(row) == 6}
    told.pop("package")
    extras = project()["optional-dependencies"]
    assert isinstance(extras, dict)
    wanted = names(project()["dependencies"]).union(*map(names, extras.values()))
    assert set(told) == wanted
    pins = dict(
        line.lower().replace("_", "-").split("==")
        for line in (ROOT / "constraints.txt").read_text().split()
    )
    assert {name: row[3] for name, row in told.items()} == {n: pins[n] for n in wanted}
    assert all(part.strip() for row in told.values() for part in row)


def test_tests_and_lint_need_what_the_extras_bring() -> None:
    extras = project()["optional-dependencies"]
    assert isinstance(extras, dict)
    assert names(extras["dev"]) > names(extras["serve"]) | names(extras["llamacpp"])


def built(builder: Path, source: Path, out: Path, kind: str) -> Path:
    """What hatchling makes of a folder: its wheel or its sdist."""
    command = [str(builder), "-m", "hatchling", "build", "-t", kind, "-d", str(out)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (made,) = out.glob("*.whl" if kind == "wheel" else "*.tar.gz")
    return made


@pytest.mark.long
def test_wheel_and_sdist_are_whole(tmp_path: Path) -> None:
    """Needs an index for the build's own requirement."""
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "build")], check=True)
    builder = tmp_path / "build" / "bin" / "python"
    needs = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    subprocess.run([str(builder), "-m", "pip", "install", "-q", *needs], check=True)
    wheel = built(builder, ROOT, tmp_path / "one", "wheel")
    with ZipFile(wheel) as archive:
        inside = set(archive.namelist())
        info = next(n for n in inside if n.endswith(".dist-info/METADATA")).rpartition("/")[0]
        metadata = archive.read(f"{info}/METADATA").decode()
        entries = archive.read(f"{info}/entry_points.txt").decode()
    assert set(NEEDED) <= inside
    assert not [n for n in inside if n.endswith(".po") or n.startswith(("tests/", "assets/"))]
    assert f"{info}/licenses/LICENSE" in inside and "kwtui = kwtui.__main__:main" in entries
    for line in ("Classifier: Typing :: Typed", "Requires-Python: >=3.11", "Provides-Extra: serve"):
        assert line in metadata.splitlines()
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, encoding="utf-8", check=True
    )
    sdist = built(builder, ROOT, tmp_path / "two", "sdist")
    with tarfile.open(sdist) as files:
        packed = {name.partition("/")[2] for name in files.getnames()}
        files.extractall(tmp_path / "there", filter="data")
    there = [name for name in tracked.stdout.split("\0") if name and (ROOT / name).exists()]
    assert [name for name in there if name not in packed] == []
    (unpacked,) = (tmp_path / "there").iterdir()
    again = built(builder, unpacked, tmp_path / "three", "wheel")
    with ZipFile(again) as archive:
        assert set(archive.namelist()) == inside
