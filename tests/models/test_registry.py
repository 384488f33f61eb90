"""Model folders are found by name, and a broken one is one sentence with the cure."""

import json
import shutil
from pathlib import Path

import pytest

from engines.models.registry import check_folder, describe, find_models, resolve
from glossary.errors import UserError
from tests import tiny


def refusal(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        check_folder(path)
    sentence = caught.value.sentence
    assert "\n" not in sentence and len(sentence) < 600
    return sentence


def shard(model: Path) -> None:
    """Split the weights' index so that it names two shards, of which one is there."""
    (model / "model.safetensors").rename(model / "model-00001-of-00002.safetensors")
    index = {
        "metadata": {},
        "weight_map": {
            "a": "model-00001-of-00002.safetensors",
            "b": "model-00002-of-00002.safetensors",
        },
    }
    (model / "model.safetensors.index.json").write_text(json.dumps(index))


def test_a_good_folder_tells_its_size_type_and_template(model: Path) -> None:
    weights = check_folder(model)
    assert weights.dtype == "float32"
    assert weights.size == (model / "model.safetensors").stat().st_size
    info = describe(model)
    assert (info.name, info.kind, info.refusal) == ("tiny-gemma", "model", "")
    assert info.architecture == "Gemma3ForCausalLM"
    assert info.template == "chat"
    assert info.parameters * 4 == pytest.approx(info.size, rel=0.2)


def test_a_base_model_has_the_plain_template(model: Path) -> None:
    (model / "chat_template.jinja").unlink()
    assert describe(model).template == "plain"


def test_what_is_no_model_folder(model: Path, tmp_path: Path) -> None:
    assert "There is no model folder" in refusal(tmp_path / "absent")
    assert "is a file" in refusal(model / "config.json")
    (tmp_path / "empty").mkdir()
    assert "it has no config.json" in refusal(tmp_path / "empty")
    (tmp_path / "empty" / "m.gguf").write_bytes(b"GGUF")
    assert "llama.cpp" in refusal(tmp_path / "empty")


def test_a_broken_config_is_named(model: Path) -> None:
    config = model / "config.json"
    whole = config.read_text()
    config.write_text(whole[:40])
    assert "config.json is broken JSON" in refusal(model)
    config.write_text("[]")
    assert "holds no JSON object" in refusal(model)
    config.write_text("{}")
    assert "names no model_type" in refusal(model)


def test_other_kinds_of_models_are_refused(model: Path) -> None:
    tiny.edit_json(model / "config.json", architectures=["BertModel"])
    assert "is a BertModel, not a causal language model" in refusal(model)
    tiny.edit_json(
        model / "config.json",
        architectures=["T5ForConditionalGeneration"],
        is_encoder_decoder=True,
    )
    assert "not a causal language model" in refusal(model)


@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json"])
def test_remote_code_is_never_run(model: Path, file: str) -> None:
    tiny.edit_json(model / file, auto_map={"AutoModelForCausalLM": "modeling_evil.Evil"})
    (model / "modeling_evil.py").write_text("raise SystemExit('ran')")
    assert f"auto_map in {file}" in refusal(model)


def test_a_dangling_link_names_the_missing_file(model: Path) -> None:
    weights = model / "model.safetensors"
    weights.unlink()
    weights.symlink_to("../../blobs/0123abc")
    sentence = refusal(model)
    assert str(weights) in sentence and "../../blobs/0123abc" in sentence and "cp -rL" in sentence
    (model.parent / "gone").symlink_to("nowhere")
    assert "nowhere" in refusal(model.parent / "gone")


def test_a_missing_shard_is_named(model: Path) -> None:
    shard(model)
    sentence = refusal(model)
    assert "model-00002-of-00002.safetensors is missing (1 of 2 shards)" in sentence
    (model / "model.safetensors.index.json").write_text("{")
    assert "model.safetensors.index.json is broken" in refusal(model)


def test_cut_off_weights_are_told_before_loading(model: Path) -> None:
    weights = model / "model.safetensors"
    whole = weights.read_bytes()
    for end in (len(whole) - 1, 500, 4, 0):
        weights.write_bytes(whole[:end])
        assert "model.safetensors is cut off" in refusal(model)
    weights.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    assert "git lfs pull" in refusal(model)


def test_pickles_are_refused_with_the_cure(model: Path) -> None:
    (model / "model.safetensors").unlink()
    (model / "training_args.bin").write_bytes(b"x")
    assert "has no weights" in refusal(model)
    (model / "pytorch_model.bin").write_bytes(b"x")
    assert "only as a pickle (pytorch_model.bin)" in refusal(model)


def test_a_folder_without_tokenizer(model: Path) -> None:
    for name in ("tokenizer.json", "tokenizer.model"):
        (model / name).unlink(missing_ok=True)
    assert "has no tokenizer" in refusal(model)


def test_a_tokenizer_that_outgrew_the_embedding(model: Path) -> None:
    file = model / "tokenizer.json"
    values = json.loads(file.read_text())
    beyond = {"id": 9999, "content": "<image>", "special": True}
    beyond |= {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    values["added_tokens"].append(beyond)
    file.write_text(json.dumps(values))
    check_folder(model)  # a special token without embedding is what Gemma 3 1B has
    beyond["special"] = False
    file.write_text(json.dumps(values))
    assert "counts 10000 tokens, the model has embeddings for" in refusal(model)


def test_models_are_found_in_folders_and_in_a_hub_cache(model: Path, tmp_path: Path) -> None:
    cache = tmp_path / "hub" / "models--google--gemma-tiny"
    (cache / "refs").mkdir(parents=True)
    (cache / "refs" / "main").write_text("abc123")
    shutil.copytree(model, cache / "snapshots" / "abc123")
    shutil.copytree(model, cache / "snapshots" / "zzz999")
    broken = Path(shutil.copytree(model, model.parent / "broken"))
    (broken / "config.json").write_text("{")
    (model.parent / "notes").mkdir()
    folders = [model.parent, tmp_path / "hub", tmp_path / "absent"]
    infos = {info.name: info for info in find_models(folders)}
    assert set(infos) == {"tiny-gemma", "google/gemma-tiny", "broken"}
    assert "broken JSON" in infos["broken"].refusal
    assert infos["google/gemma-tiny"].path == cache / "snapshots" / "abc123"
    assert resolve("google/gemma-tiny", folders).name == "abc123"
    assert resolve("tiny-gemma", folders) == model


def test_the_first_folder_wins_and_a_folder_may_be_the_model(model: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(model, tmp_path / "other" / "tiny-gemma"))
    assert resolve("tiny-gemma", [other.parent, model.parent]) == other
    assert resolve("tiny-gemma", [other]) == other


def test_a_path_is_taken_as_it_is(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert resolve(model, []) == model
    monkeypatch.chdir(model.parent)
    assert resolve("./tiny-gemma", []) == model
    with pytest.raises(UserError, match="There is no model folder /absent/model"):
        resolve("/absent/model", [])


def test_an_unknown_name_gets_the_nearest(model: Path) -> None:
    with pytest.raises(UserError, match=r"no model tiny-gema\. Did you mean tiny-gemma\?"):
        resolve("tiny-gema", [model.parent])
    with pytest.raises(UserError, match=r"no model llama-70b in .*kwtui models"):
        resolve("llama-70b", [model.parent])


def test_the_command_lists_models_and_refusals(model: Path, kwtui, workspace) -> None:  # type: ignore[no-untyped-def]
    shutil.copytree(model, workspace.models / "mine")
    broken = Path(shutil.copytree(model, workspace.models / "broken"))
    (broken / "model.safetensors").unlink()
    done = kwtui("-w", workspace.root, "models")
    assert done.returncode == 0, done.stderr
    assert "mine" in done.stdout and "Gemma3ForCausalLM" in done.stdout
    assert "broken: " in done.stdout and "has no weights" in done.stdout
    listed = json.loads(kwtui("-w", workspace.root, "models", "--json").stdout)
    names = {info["name"]: info for info in listed["models"]}
    assert names["mine"]["dtype"] == "float32" and names["mine"]["template"] == "chat"
    refused = kwtui("-w", workspace.root, "models", "broken")
    assert refused.returncode == 2 and "has no weights" in refused.stderr
    unknown = kwtui("-w", workspace.root, "models", "mien")
    assert unknown.returncode == 2 and "Did you mean mine?" in unknown.stderr
