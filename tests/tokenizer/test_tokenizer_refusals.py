"""What cannot be done is one sentence, and leaves nothing behind."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from engines.children import python_environment
from engines.tokenizer.build import Material, Wish, extend
from engines.tokenizer.choosing import choose
from engines.tokenizer.files import Tokenizer
from glossary.errors import FailedError, UserError
from tests import tiny
from tests.tokenizer.conftest import KW_MINI


def copy_of(base: Path, folder: Path) -> Path:
    shutil.copytree(base, folder, ignore=shutil.ignore_patterns("data", "*.py"))
    return folder


def test_a_tokenizer_of_an_unknown_kind(material: Material, tmp_path: Path) -> None:
    from tokenizers import Tokenizer as Fast
    from tokenizers import models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    inner = Fast(models.WordPiece({"[UNK]": 0, "파": 1, "##스": 2}, unk_token="[UNK]"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    base = tmp_path / "base"
    PreTrainedTokenizerFast(tokenizer_object=inner, unk_token="[UNK]").save_pretrained(base)
    tiny.random_model("llama", 8).save_pretrained(base)
    with pytest.raises(UserError, match="of the kind WordPiece, which kwtui does not rebuild"):
        extend(base, tmp_path / "new", material)


def test_a_broken_sentencepiece_model(material: Material, tmp_path: Path) -> None:
    base = copy_of(KW_MINI, tmp_path / "base")
    (base / "tokenizer.model").write_bytes(b"\x08\x96no model")
    with pytest.raises(UserError, match="is no SentencePiece model"):
        extend(base, tmp_path / "new", material)


def test_terms_with_spaces_and_terms_that_are_there(texts: list[str]) -> None:
    tokenizer = Tokenizer.open(KW_MINI)
    found = {one.term: one for one in choose(tokenizer, ["비타민 C", "다음", "파스"], texts, [])}
    assert found["비타민 C"].refusal.startswith("has a space")
    assert found["다음"].refusal == "is one token already"
    assert found["파스"].refusal == ""
    with pytest.raises(UserError, match="No term is accepted: 다음 is one token already"):
        extend(KW_MINI, Path("/nonexistent/../tmp/never"), Material(["다음"], lambda: texts, []))


def test_a_vocabulary_larger_than_the_embedding(material: Material, tmp_path: Path) -> None:
    base = copy_of(KW_MINI, tmp_path / "base")
    state = json.loads((base / "tokenizer.json").read_text(encoding="utf-8"))
    state["model"]["vocab"]["새것"] = 2827
    (base / "tokenizer.json").write_text(json.dumps(state, ensure_ascii=False), encoding="utf-8")
    with pytest.raises(UserError, match="counts 2828 tokens, the model has embeddings for 2827"):
        extend(base, tmp_path / "new", material)
    assert not (tmp_path / "new").exists()


def test_a_name_that_is_taken_and_a_folder_that_cannot_be_written(
    material: Material, tmp_path: Path
) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(UserError, match="exists; give the new model another name"):
        extend(KW_MINI, tmp_path / "there", material)
    with pytest.raises(UserError, match="Cannot write into /proc/kwtui"):
        extend(KW_MINI, Path("/proc/kwtui/new"), material)


def test_a_method_that_does_not_fit(material: Material, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="use symbol, merges"):
        extend(KW_MINI, tmp_path / "new", material, Wish(method="piece"))
    assert not list(tmp_path.iterdir())


def test_symbols_beside_a_prefixed_space_are_refused_by_the_checks(
    material: Material, texts: list[str], tmp_path: Path
) -> None:
    """With a space before every text, SentencePiece and transformers cut symbols differently."""
    base = prefixed(tmp_path / "base", texts)
    with pytest.raises(UserError, match="SentencePiece"):
        extend(base, tmp_path / "new", material, Wish(method="symbol", budget=20))
    built = extend(base, tmp_path / "new", material, Wish(method="merges", budget=20))
    assert all(check.passed for check in built.checks)


def prefixed(folder: Path, texts: list[str]) -> Path:
    """A Llama with a SentencePiece BPE vocabulary that puts a space before every text."""
    import sentencepiece
    from transformers import LlamaTokenizer

    folder.mkdir()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts),
        model_prefix=str(folder / "tokenizer"),
        model_type="bpe",
        vocab_size=1500,
        byte_fallback=True,
        add_dummy_prefix=True,
        remove_extra_whitespaces=False,
        normalization_rule_name="identity",
        minloglevel=2,
    )
    (folder / "tokenizer.vocab").unlink()
    tokenizer = LlamaTokenizer.from_pretrained(str(folder), legacy=False)
    tokenizer.save_pretrained(folder)
    tiny.random_model("llama", len(tokenizer)).save_pretrained(folder)
    return folder


def test_a_growth_that_is_too_much_is_refused_with_its_figure(
    unigram: Path, material: Material, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=r"General text changes by .* tokens \(-1.0% allowed\)"):
        extend(unigram, tmp_path / "new", material, Wish(budget=30, growth=-0.01))
    assert not list(tmp_path.iterdir())


def test_a_full_disk_midway_leaves_nothing(material: Material, tmp_path: Path) -> None:
    mount = tmp_path / "disk"
    mount.mkdir()
    made = ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(mount)]
    if subprocess.run(made, capture_output=True, check=False).returncode:
        pytest.skip("no right to mount")
    try:
        with pytest.raises(FailedError, match="could not be written into"):
            extend(KW_MINI, mount / "models" / "new", material, Wish(budget=10))
        assert [path.name for path in (mount / "models").iterdir()] == []
    finally:
        subprocess.run(["umount", str(mount)], check=True)


_KILLED = """
import os, signal, sys
from pathlib import Path
from engines.tokenizer.build import Material, Wish, extend
from engines.workspace import assets

seen = []
def stage(name):
    seen.append(name)
    if len(seen) == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)

material = Material(["아세트아미노펜"], lambda: ["아세트아미노펜은 약이다."], ["글이다."])
extend(assets() / "kw-mini", Path(sys.argv[1]), material, Wish(), stage=stage)
"""


@pytest.mark.parametrize("moment", [2, 4])
def test_a_killed_build_is_not_found_and_swept_by_the_next(moment: int, tmp_path: Path) -> None:
    final = tmp_path / "new"
    done = subprocess.run(
        [sys.executable, "-P", "-c", _KILLED, str(final), str(moment)],
        env=python_environment() | {"OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    assert not final.exists()
    assert len(list(tmp_path.iterdir())) == 1
    material = Material(["아세트아미노펜"], lambda: ["아세트아미노펜은 약이다."], ["글이다."])
    extend(KW_MINI, final, material)
    assert [path.name for path in tmp_path.iterdir()] == ["new"]
    assert os.access(final / "model.safetensors", os.R_OK)


def test_an_adapter_and_a_folder_without_a_model(material: Material, tmp_path: Path) -> None:
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text('{"base_model_name_or_path": "kw-mini"}')
    shutil.copy(KW_MINI / "model.safetensors", adapter / "adapter_model.safetensors")
    with pytest.raises(UserError, match="is an adapter: merge it into its base model first"):
        extend(adapter, tmp_path / "new", material)
    with pytest.raises(UserError, match="has no config"):
        extend(tmp_path, tmp_path / "new", material)


def test_weights_in_bfloat16_and_a_model_with_tokenizer_model_alone(
    material: Material, tmp_path: Path
) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    base = copy_of(KW_MINI, tmp_path / "base")
    (base / "tokenizer.json").unlink()
    weights = load_file(base / "model.safetensors")
    save_file(
        {name: tensor.bfloat16() for name, tensor in weights.items()},
        base / "model.safetensors",
        metadata={"format": "pt"},
    )
    config = json.loads((base / "config.json").read_text(encoding="utf-8"))
    tiny.edit_json(base / "config.json", **{**config, "dtype": "bfloat16"})
    built = extend(base, tmp_path / "new", material, Wish(budget=20))
    assert all(check.passed for check in built.checks)
    after = load_file(built.path / "model.safetensors")
    assert {tensor.dtype for tensor in after.values()} == {torch.bfloat16}
    assert (built.path / "tokenizer.json").is_file()
