"""Wheels gathered here install there, from the folder alone, with the index switched off."""

import base64
import hashlib
import json
import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).resolve().parents[2]
GATHER, INSTALL = ROOT / "offline" / "gather.py", "install.sh"
# No index that could be reached, whatever this machine is set up with.
CUT_OFF = {
    "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
    "PIP_CONFIG_FILE": "/dev/null",
    "http_proxy": "http://127.0.0.1:9",
    "https_proxy": "http://127.0.0.1:9",
}


def wheel(folder: Path, name: str, version: str, requires: str = "") -> Path:
    """A pure Python wheel, written as PEP 427 says."""
    path = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    needs = f"Requires-Dist: {requires}\n" if requires else ""
    files = {
        f"{name}.py": f"VERSION = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = ""
    with ZipFile(path, "w") as archive:
        for place, text in files.items():
            archive.writestr(place, text)
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=")
            record += f"{place},sha256={digest.decode()},{len(text)}\n"
        archive.writestr(f"{info}/RECORD", record + f"{info}/RECORD,,\n")
    return path


def gather(out: Path, what: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", str(GATHER), what, "--out", str(out)],
        env=os.environ | CUT_OFF | env,
        capture_output=True,
        text=True,
        check=False,
    )


def install(house: Path, target: Path, **env: str) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PIP_", "PYTHON"))}
    return subprocess.run(
        ["sh", str(house / INSTALL), str(target)],
        env=clean | CUT_OFF | {"PYTHON": sys.executable} | env,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheelhouse of two small packages."""
    index = tmp_path_factory.mktemp("index")
    wheel(index, "kwfirst", "1.2", "kwsecond>=2")
    wheel(index, "kwsecond", "2.0")
    wheel(index, "kwsecond", "1.0")
    out = tmp_path_factory.mktemp("out") / "house"
    done = gather(out, "kwfirst", PIP_NO_INDEX="1", PIP_FIND_LINKS=str(index))
    assert done.returncode == 0, done.stdout + done.stderr
    return out


def test_it_holds_what_is_needed_with_hashes(house: Path) -> None:
    lines = (house / "requirements.txt").read_text().split()
    assert [line for line in lines if "==" in line] == ["kwfirst==1.2", "kwsecond==2.0"]
    assert sum(line.startswith("--hash=sha256:") for line in lines) == 2
    manifest = json.loads((house / "manifest.json").read_text())
    assert manifest["wheels"] == 2
    assert manifest["python"] == f"{sys.version_info[0]}.{sys.version_info[1]}"


def test_it_installs_with_the_index_switched_off(house: Path, tmp_path: Path) -> None:
    target = tmp_path / "there" / "kw"
    target.parent.mkdir()
    done = install(house, target)
    assert done.returncode == 0, done.stdout + done.stderr
    asked = [
        str(target / "bin" / "python"),
        "-c",
        "import kwfirst, kwsecond as s; print(s.VERSION)",
    ]
    shown = subprocess.run(asked, capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "2.0"
    again = install(house, target, LC_ALL="ko_KR.UTF-8")
    assert again.returncode == 1 and "이미 있습니다" in again.stderr


def test_what_was_changed_on_the_way_is_refused(house: Path, tmp_path: Path) -> None:
    carried = Path(shutil.copytree(house, tmp_path / "carried"))
    victim = next((carried / "wheels").glob("kwsecond*"))
    whole = victim.read_bytes()
    victim.write_bytes(whole[:-1] + b"x")
    damaged = install(carried, tmp_path / "a")
    assert damaged.returncode == 1 and "copy it again" in damaged.stderr
    victim.unlink()
    missing = install(carried, tmp_path / "a")
    assert missing.returncode == 1 and not (tmp_path / "a").exists()


@pytest.mark.long
def test_who_changes_the_checksums_too_is_found_by_the_hashes(house: Path, tmp_path: Path) -> None:
    carried = Path(shutil.copytree(house, tmp_path / "carried"))
    victim = next((carried / "wheels").glob("kwsecond*"))
    other = wheel(tmp_path, "kwsecond", "2.0", "kwfirst")
    victim.write_bytes(other.read_bytes())
    runpy.run_path(str(GATHER))["write_checksums"](carried)
    changed = install(carried, tmp_path / "a")
    assert changed.returncode == 1 and "DO NOT MATCH THE HASHES" in changed.stderr
    assert not (tmp_path / "a").exists()


def test_another_python_is_a_sentence(house: Path, tmp_path: Path) -> None:
    carried = Path(shutil.copytree(house, tmp_path / "carried"))
    (carried / "python-version").write_text("3.99\n")
    sums = (carried / "SHA256SUMS").read_text().splitlines()
    kept = [line for line in sums if not line.endswith("python-version")]
    (carried / "SHA256SUMS").write_text("\n".join(kept) + "\n")
    done = install(carried, tmp_path / "a")
    assert done.returncode == 1 and "These wheels are for Python 3.99" in done.stderr


def test_a_rehearsal_lists_what_would_come_and_keeps_nothing(tmp_path: Path) -> None:
    index = tmp_path / "index"
    index.mkdir()
    wheel(index, "kwfirst", "1.2", "torch==2.13.0")
    wheel(index, "torch", "2.13.0+cu128")
    wheel(index, "torch", "2.13.0")
    pins = tmp_path / "constraints.txt"
    pins.write_text("torch==2.13.0\n")
    asked = (sys.executable, "-P", str(GATHER), "kwfirst", "--out", str(tmp_path / "house"))
    found = {}
    for cuda in ("", "cu128", "cu999"):
        found[cuda] = subprocess.run(
            [*asked, "--dry-run", "--constraint", str(pins), "--cuda", cuda],
            env=os.environ | CUT_OFF | {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(index)},
            capture_output=True,
            text=True,
            check=False,
        )
    assert "torch==2.13.0+cu128\n2 packages" in found["cu128"].stdout, found["cu128"].stderr
    assert "kwfirst==1.2" in found[""].stdout and found[""].returncode == 0
    assert found["cu999"].returncode != 0 and "--index names one" in found["cu999"].stderr
    assert not (tmp_path / "house").exists()


def test_a_folder_of_something_else_is_not_emptied(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("x")
    done = gather(tmp_path, "kwfirst")
    assert done.returncode != 0 and "no wheelhouse" in done.stderr
    assert (tmp_path / "mine.txt").exists()


@pytest.mark.long
@pytest.mark.timeout(3000)
def test_kwtui_itself_installs_and_extracts_without_an_index(tmp_path: Path) -> None:
    """All of it; needs an index to gather from, and about 3 GB."""
    out = tmp_path / "house"
    gathered = subprocess.run(
        [sys.executable, "-P", str(GATHER), "--out", str(out)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert gathered.returncode == 0, gathered.stdout[-3000:] + gathered.stderr[-3000:]
    target = tmp_path / "kw"
    installed = install(out, target)
    assert installed.returncode == 0, installed.stdout[-3000:] + installed.stderr[-3000:]
    assert "0 errors" in installed.stdout
    asked = [str(target / "bin" / "kwtui"), "extract", "-s", "prompt", "-t", "임산부용 파스"]
    done = subprocess.run(asked, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["keywords"]
