"""A model brought in from outside appears whole and checked, and what is hostile leaves nothing."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from engines.models import archives
from engines.models.adding import add
from engines.models.loading import load
from engines.models.registry import describe, find_models
from engines.workspace import Workspace
from glossary.errors import FailedError, UserError
from tests import tiny
from tests.conftest import Run

Pack = Callable[[Path, Path], Path]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home-models"


def tarred(model: Path, target: Path) -> Path:
    with tarfile.open(target, "w:gz") as archive:
        archive.add(model, arcname=model.name)
    return target


def zipped(model: Path, target: Path) -> Path:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(model.rglob("*")):
            archive.write(path, path.relative_to(model))
    return target


def left_in(home: Path) -> list[str]:
    return sorted(path.name for path in home.iterdir()) if home.exists() else []


def test_a_folder_is_copied_without_what_could_run(model: Path, home: Path) -> None:
    (model / "modeling.py").write_text("raise SystemExit")
    (model / "training_args.bin").write_bytes(b"x")
    seen: list[tuple[int, int]] = []
    added = add(model, home, on_progress=lambda done, total: seen.append((done, total)))
    assert added.info.path == home / "tiny-gemma" and not added.info.refusal
    (note,) = added.notes
    assert "modeling.py" in note and "training_args.bin" in note
    assert sorted(p.name for p in (home / "tiny-gemma").iterdir()) == sorted(
        p.name for p in model.iterdir() if p.suffix not in (".py", ".bin", ".vocab")
    )
    assert seen[-1][0] == seen[-1][1] > 0
    assert left_in(home) == ["tiny-gemma"]
    load(home / "tiny-gemma", device="cpu")


def test_a_link_leaves_the_folder_where_it_is(model: Path, home: Path) -> None:
    added = add(model, home, link=True, name="mine")
    assert added.info.path.is_symlink() and added.info.path.resolve() == model
    assert [info.name for info in find_models([home])] == ["mine"]


@pytest.mark.parametrize(("pack", "name"), [(tarred, "m.tar.gz"), (zipped, "mine.zip")])
def test_an_archive_becomes_a_model(
    model: Path, home: Path, tmp_path: Path, pack: Pack, name: str
) -> None:
    added = add(pack(model, tmp_path / name), home)
    assert added.info.name == ("tiny-gemma" if pack is tarred else "mine")
    assert added.info.parameters == describe(model).parameters
    assert left_in(home) == [added.info.name]


def test_what_is_there_already_stays(model: Path, home: Path) -> None:
    add(model, home)
    before = (home / "tiny-gemma" / "model.safetensors").stat().st_mtime_ns
    with pytest.raises(UserError, match=r"a model tiny-gemma in .* already"):
        add(model, home)
    assert (home / "tiny-gemma" / "model.safetensors").stat().st_mtime_ns == before
    with pytest.raises(UserError, match="no name for a model"):
        add(model, home, name="../evil")
    assert left_in(home) == ["tiny-gemma"]


def hostile_tar(target: Path, *members: tarfile.TarInfo, data: bytes = b"{}") -> Path:
    with tarfile.open(target, "w") as archive:
        for member in members:
            member.size = len(data) if member.isreg() else 0
            archive.addfile(member, io.BytesIO(data) if member.isreg() else None)
    return target


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


@pytest.mark.parametrize(
    "evil",
    [
        member("../config.json"),
        member("m/../../config.json"),
        member("/etc/cron.d/config.json"),
        member("m\\..\\..\\config.json"),
        member("C:config.json"),
        member("m/con\x1b[2Jfig.json"),
        member("m/config.json", tarfile.SYMTYPE, "/etc/passwd"),
        member("m/config.json", tarfile.LNKTYPE, "/etc/passwd"),
        member("m/config.json", tarfile.SYMTYPE, "tokenizer.json"),
        member("m/config.json", tarfile.CHRTYPE),
        member("m/config.json", tarfile.BLKTYPE),
        member("m/config.json", tarfile.FIFOTYPE),
    ],
)
def test_a_tar_that_leads_elsewhere_unpacks_nothing(
    evil: tarfile.TarInfo, home: Path, tmp_path: Path
) -> None:
    archive = hostile_tar(tmp_path / "evil.tar", member("m/tokenizer.json"), evil)
    before = sorted(str(p) for p in tmp_path.rglob("*"))
    with pytest.raises(UserError, match="is refused"):
        add(archive, home)
    assert left_in(home) == []
    after = sorted(str(p) for p in tmp_path.rglob("*") if p != home)
    assert after == before


@pytest.mark.parametrize("name", ["../config.json", "/config.json", "a/../../config.json"])
def test_a_zip_that_leads_elsewhere_unpacks_nothing(name: str, home: Path, tmp_path: Path) -> None:
    target = tmp_path / "evil.zip"
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("tokenizer.json", "{}")
        archive.writestr(name, "{}")
    with pytest.raises(UserError, match="leads out of its folder"):
        add(target, home)
    link = zipfile.ZipInfo("config.json")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(UserError, match="is a link"):
        add(target, home)
    assert left_in(home) == []


def test_one_name_twice_is_refused(home: Path, tmp_path: Path) -> None:
    archive = hostile_tar(tmp_path / "twice.tar", member("m/config.json"), member("m/Config.json"))
    with pytest.raises(UserError, match="is there twice"):
        add(archive, home)


def test_a_bomb_fills_no_disk(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "ALLOWANCE", 2**20)
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", "{}")
        archive.writestr("model.safetensors", b"\0" * (64 * 2**20))
    assert bomb.stat().st_size < 2**17
    with pytest.raises(UserError, match="far more than it holds"):
        add(bomb, home)
    # The same with a header that lies about the size.
    data = bytearray(bomb.read_bytes())
    true = (64 * 2**20).to_bytes(4, "little")
    while (at := data.find(true)) >= 0:
        data[at : at + 4] = (1000).to_bytes(4, "little")
    bomb.write_bytes(bytes(data))
    with pytest.raises(UserError):
        add(bomb, home)
    many = tmp_path / "many.tar"
    monkeypatch.setattr(archives, "ENTRIES", 20)
    hostile_tar(many, *(member(f"m/{n}.json") for n in range(30)))
    with pytest.raises(UserError, match="more than 20 entries"):
        add(many, home)
    assert left_in(home) == []


def test_a_full_disk_is_said_before_anything_is_written(
    model: Path, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage)
    for source in (model, tarred(model, tmp_path / "m.tar.gz")):
        with pytest.raises(FailedError, match=r"0\.0 GiB free"):
            add(source, home)
    assert left_in(home) == []


@pytest.mark.parametrize("damage", ["cut", "noise", "text", "empty"])
def test_a_damaged_archive_is_a_sentence(
    model: Path, home: Path, tmp_path: Path, damage: str
) -> None:
    archive = tarred(model, tmp_path / "m.tar.gz")
    whole = archive.read_bytes()
    noise = bytearray(whole)
    noise[len(whole) // 2 :: 7] = bytes(len(noise[len(whole) // 2 :: 7]))
    changed = {
        "cut": whole[: len(whole) // 2],
        "noise": bytes(noise),
        "text": b"hello",
        "empty": b"",
    }
    archive.write_bytes(changed[damage])
    with pytest.raises(UserError):
        add(archive, home)
    assert left_in(home) == []


def test_a_broken_model_does_not_appear(model: Path, home: Path, tmp_path: Path) -> None:
    (model / "model.safetensors").write_bytes(b"x" * 100)
    for source in (model, tarred(model, tmp_path / "m.tar.gz")):
        with pytest.raises(UserError, match="cut off"):
            add(source, home)
    assert left_in(home) == []


def test_links_of_a_folder_are_followed_only_inside(
    model: Path, home: Path, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("mine")
    (model / "readme.txt").symlink_to(secret)
    with pytest.raises(UserError, match="leads out of the model"):
        add(model, home)
    (model / "readme.txt").unlink()
    entry = tmp_path / "models--google--tiny"
    shutil.copytree(model, entry / "blobs")
    snapshot = entry / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    for path in (entry / "blobs").iterdir():
        (snapshot / path.name).symlink_to(path)
    added = add(snapshot, home)
    assert added.info.name == "tiny"
    assert not any(path.is_symlink() for path in (home / "tiny").iterdir())


def test_a_chat_template_can_be_given(model: Path, home: Path, tmp_path: Path) -> None:
    (model / "chat_template.jinja").unlink()
    bare = add(model, home, name="bare")
    assert bare.info.template == "plain" and any("--chat-template" in n for n in bare.notes)
    file = tmp_path / "own.jinja"
    file.write_text(tiny.CHAT)
    assert add(model, home, name="chatty", chat_template=file).info.template == "chat"
    for wrong, words in (
        ("{% for", "no chat template"),
        ("nothing", "does not appear"),
        ("{{ messages.__class__.__mro__[1].__subclasses__() }}", "no chat template"),
    ):
        file.write_text(wrong)
        with pytest.raises(UserError, match=words):
            add(model, home, name="wrong", chat_template=file)
    assert left_in(home) == ["bare", "chatty"]


def adapter(folder: Path, base: str) -> Path:
    """An adapter that names `base`; only what the registry reads of one."""
    folder.mkdir(parents=True)
    config = {"peft_type": "LORA", "base_model_name_or_path": base}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    import numpy as np
    from safetensors.numpy import save_file

    save_file({"a": np.zeros((2, 2), "float32")}, folder / "adapter_model.safetensors")
    return folder


def test_an_adapters_base_is_looked_for_in_the_registered_folders_only(
    model: Path, home: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(model, elsewhere / "secret")
    for named in (str(elsewhere / "secret"), "../../elsewhere/secret", "secret"):
        made = adapter(tmp_path / "adapters" / f"a{len(named)}", named)
        shutil.copytree(model, made.parent / "secret", dirs_exist_ok=True)
        with pytest.raises(UserError, match="in none of the model folders"):
            load(made, device="cpu", folders=[home])
        added = add(made, home)
        assert any("in none of the model folders yet" in note for note in added.notes)
        shutil.rmtree(added.info.path)


def test_a_killed_copy_leaves_no_model_and_is_taken_away(model: Path, home: Path) -> None:
    program = (
        "import os, signal, sys; from pathlib import Path; from engines.models.adding import add\n"
        "add(Path(sys.argv[1]), Path(sys.argv[2]), on_progress=lambda d, t: "
        "os.kill(os.getpid(), signal.SIGKILL) if d * 2 > t else None)"
    )
    command = [sys.executable, "-P", "-c", program, str(model), str(home)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert [name[:8] for name in left_in(home)] == [".adding-"]
    assert find_models([home]) == []
    add(model, home)
    assert left_in(home) == ["tiny-gemma"]


def test_the_command_adds_and_lists(model: Path, workspace: Workspace, kwtui: Run) -> None:
    archive = tarred(model, model.parent / "m.tar.gz")
    done = kwtui("-w", workspace.root, "models", "add", archive, "--name", "mine", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["model"]["name"] == "mine"
    cache = Path(os.environ["HOME"]) / ".cache" / "huggingface" / "hub" / "models--google--tiny"
    shutil.copytree(model, cache / "snapshots" / "abc")
    listed = kwtui("-w", workspace.root, "models")
    assert "mine" in listed.stdout and "google/tiny" in listed.stdout and "2048" in listed.stdout
    rows = json.loads(kwtui("-w", workspace.root, "models", "mine", "--json").stdout)["models"]
    assert rows[0]["context"] == 2048 and 0 < rows[0]["four_bit"] < rows[0]["size"]
    again = kwtui("-w", workspace.root, "models", "add", archive, "--name", "mine")
    assert again.returncode == 2 and "already" in again.stderr


def test_four_bits_fit_where_there_is_room() -> None:
    from dataclasses import replace

    from engines.hardware import GIB, Gpu
    from engines.models.registry import ModelInfo
    from kwtui.commands.models import fitting

    seven = ModelInfo("seven", Path(), four_bit=4 * GIB)
    small = Gpu(0, "GPU-0", "small", 4 * GIB, 0, 4 * GIB)
    large = replace(small, index=1, free=8 * GIB, total=8 * GIB)
    assert fitting(seven, [small, large]) == [1]
    assert fitting(replace(seven, four_bit=0), [large]) == []
