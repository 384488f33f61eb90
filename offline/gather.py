"""Gather everything that kwtui needs into one folder, to be carried to a machine without network.

Run on a connected machine, mostly as `make wheelhouse`. The folder holds all wheels, their hashes
in requirements.txt, checksums of every file, and install.sh, which uses nothing else.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from email.parser import HeaderParser
from pathlib import Path
from zipfile import ZipFile

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
RUNNING = f"{sys.version_info[0]}.{sys.version_info[1]}"


def main() -> None:
    """Gather as the command line says."""
    wanted = _arguments()
    if wanted.dry_run:
        _rehearse_index(wanted)
        return
    wheels = wanted.out / "wheels"
    if wanted.out.is_dir() and any(wanted.out.iterdir()):
        if not (wanted.out / "SHA256SUMS").is_file():
            raise SystemExit(f"{wanted.out} is not empty and no wheelhouse: name another --out.")
        shutil.rmtree(wanted.out)
    wheels.mkdir(parents=True)
    _collect(wanted, wheels)
    lines = requirements(wheels)
    (wanted.out / "requirements.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    manifest = {
        "python": wanted.python,
        "platforms": wanted.platform,
        "cuda": wanted.cuda,
        "gathered": datetime.now(UTC).isoformat(timespec="seconds"),
        "wheels": len(lines),
    }
    (wanted.out / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    (wanted.out / "python-version").write_text(wanted.python + "\n")
    shutil.copy(HERE / "install.sh", wanted.out / "install.sh")
    write_checksums(wanted.out)
    if wanted.python == RUNNING and not wanted.platform:
        _rehearse(wanted.out)
    size = sum(path.stat().st_size for path in wheels.iterdir()) / 2**20
    print(f"{wanted.out}: {len(lines)} wheels, {size:.0f} MiB. On the other machine: sh install.sh")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="?", default=str(ROOT), help="a project, wheel or name")
    parser.add_argument("--out", type=Path, default=ROOT / "dist" / "wheelhouse")
    parser.add_argument("--python", default=RUNNING, help="Python of the other machine: 3.12")
    parser.add_argument("--platform", action="append", help="its platform: manylinux_2_28_x86_64")
    parser.add_argument("--cuda", default="", help="build of torch: cu128; default: the index's")
    parser.add_argument("--index", action="append", default=[], help="a further package index")
    parser.add_argument("--extras", default="", help="extras of kwtui: serve,llamacpp")
    parser.add_argument("--constraint", type=Path, default=ROOT / "constraints.txt")
    parser.add_argument("--dry-run", action="store_true", help="only list what would be gathered")
    return parser.parse_args()


def _rehearse_index(wanted: argparse.Namespace) -> None:
    """Have pip resolve everything against the index, and list what it would fetch."""
    with tempfile.TemporaryDirectory() as folder:
        constraint, report = Path(folder) / "constraints.txt", Path(folder) / "report.json"
        constraint.write_text(_constraints(wanted.constraint, wanted.cuda), encoding="utf-8")
        command = ["install", "--dry-run", "--ignore-installed", "--quiet", "-c", str(constraint)]
        command += ["--report", str(report)]
        for index in wanted.index:
            command += ["--extra-index-url", index]
        if wanted.python != RUNNING or wanted.platform:
            command += ["--only-binary=:all:", "--target", folder, *_chosen(wanted)]
        _pip(*command, _named(wanted.what, wanted.extras))
        found = json.loads(report.read_text(encoding="utf-8"))["install"]
    for entry in sorted(found, key=lambda entry: str(entry["metadata"]["name"]).lower()):
        print(f"{entry['metadata']['name']}=={entry['metadata']['version']}")
    print(f"{len(found)} packages; nothing was gathered.")


def _chosen(wanted: argparse.Namespace) -> list[str]:
    """What tells pip of another machine."""
    chosen = ["--python-version", wanted.python, "--implementation", "cp"]
    for platform in wanted.platform or []:
        chosen += ["--platform", platform]
    return chosen


def _named(what: str, extras: str) -> str:
    return f"{what}[{extras}]" if extras else what


def _collect(wanted: argparse.Namespace, wheels: Path) -> None:
    """All wheels: from the index, or built where there are only sources."""
    with tempfile.TemporaryDirectory() as folder:
        constraint = Path(folder) / "constraints.txt"
        constraint.write_text(_constraints(wanted.constraint, wanted.cuda), encoding="utf-8")
        common = ["--find-links", str(wheels), "-c", str(constraint), "--no-cache-dir"]
        for index in wanted.index:
            common += ["--extra-index-url", index]
        what = wanted.what
        if Path(what).is_dir():
            _pip("wheel", "--no-deps", "-w", str(wheels), str(what))
            what = str(next(wheels.glob("*.whl")))
        what = _named(what, wanted.extras)
        if wanted.python == RUNNING and not wanted.platform:
            _pip("wheel", "-w", str(wheels), *common, what)
            return
        _sources(constraint, wheels, common)
        chosen = ["--only-binary=:all:", "-d", str(wheels), *common, *_chosen(wanted)]
        _pip("download", *chosen, what)


def _constraints(path: Path, cuda: str) -> str:
    """The tested versions; torch as the build for `cuda`."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    if cuda:
        lines = [f"{line}+{cuda}" if line.startswith("torch==") else line for line in lines]
    return "\n".join(lines) + "\n"


def _sources(constraint: Path, wheels: Path, common: list[str]) -> None:
    """Wheels of what is only there as source and is the same for every Python."""
    text = constraint.read_text(encoding="utf-8")
    for name in ("kiwipiepy_model",):
        pins = [line for line in text.splitlines() if line.startswith(f"{name}==")]
        if pins:
            _pip("wheel", "--no-deps", "-w", str(wheels), *common, pins[0])


def requirements(wheels: Path) -> list[str]:
    """`name==version --hash=...` for every wheel, by name."""
    lines = []
    for path in sorted(wheels.glob("*.whl"), key=lambda path: path.name.lower()):
        name, version = _identity(path)
        lines.append(f"{name}=={version} --hash=sha256:{digest(path)}")
    return lines


def _identity(wheel: Path) -> tuple[str, str]:
    """Name and version as the wheel's own metadata says."""
    with ZipFile(wheel) as archive:
        inside = next(n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        fields = HeaderParser().parsestr(archive.read(inside).decode("utf-8"))
    return str(fields["Name"]), str(fields["Version"])


def digest(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_checksums(folder: Path) -> None:
    """SHA256SUMS of everything in the folder, as sha256sum reads it."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != "SHA256SUMS")
    lines = [f"{digest(path)}  {path.relative_to(folder)}" for path in files]
    (folder / "SHA256SUMS").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _rehearse(folder: Path) -> None:
    """Resolve once more from the folder alone: nothing may be missing."""
    _pip(
        *("install", "--dry-run", "--ignore-installed", "--no-index", "--quiet"),
        *("--find-links", str(folder / "wheels"), "--require-hashes"),
        *("-r", str(folder / "requirements.txt")),
    )


def _pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, check=False)
    if done.returncode:
        hint = "Is the machine connected, and does an index offer that version? --index names one."
        raise SystemExit(f"pip {arguments[0]} failed. {hint}")


if __name__ == "__main__":
    main()
