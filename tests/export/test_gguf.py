"""What llama.cpp could not run as the model is refused before a byte is written."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engines.children import python_environment
from engines.export.converter import compare_files, convert
from engines.export.exporting import Order, export
from engines.export.gguf import export_gguf
from engines.export.quantisation import tensor_types
from engines.export.rope import llama3_factors
from engines.export.staging import staged
from engines.settings import Settings
from engines.workspace import assets
from glossary.errors import FailedError, UserError
from tests.export.shapes import write_shape
from tests.tiny import edit_json


def refuse(folder: Path, words: str, tmp_path: Path, kind: str = "f32") -> None:
    target = tmp_path / "out.gguf"
    with pytest.raises(UserError, match=words):
        export_gguf(folder, target, kind)
    assert not target.exists()
    assert not list(tmp_path.glob(".out*"))


def test_a_vocabulary_of_another_size(tmp_path: Path) -> None:
    folder = write_shape("gemma3-every-third", tmp_path / "m")
    edit_json(folder / "config.json", vocab_size=9999)
    refuse(folder, "vocab_size 9999, the embedding has", tmp_path)


def test_a_layer_too_few(tmp_path: Path) -> None:
    folder = write_shape("gemma3-every-third", tmp_path / "m")
    edit_json(
        folder / "config.json",
        num_hidden_layers=2,
        layer_types=["sliding_attention"] * 2,
    )
    refuse(folder, "no place for the tensor model.layers.2", tmp_path)


def test_a_matrix_of_another_size(tmp_path: Path) -> None:
    folder = write_shape("gemma3-every-third", tmp_path / "m")
    edit_json(folder / "config.json", intermediate_size=65)
    refuse(folder, r"ffn_gate.weight is 64 x 32, and config.json asks for 65 x 32", tmp_path)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"query_pre_attn_scalar": 300}, "query_pre_attn_scalar = 300"),
        ({"hidden_activation": "relu"}, "hidden_activation = relu"),
        ({"attn_logit_softcapping": 50.0}, "attn_logit_softcapping = 50.0"),
        (
            {"layer_types": ["full_attention", "sliding_attention", "full_attention"]},
            "layer_types",
        ),
    ],
)
def test_what_llama_cpp_takes_for_granted(
    changes: dict[str, Any], words: str, tmp_path: Path
) -> None:
    folder = write_shape("gemma3", tmp_path / "m")
    if "layer_types" in changes:
        edit_json(folder / "config.json", num_hidden_layers=3)
    edit_json(folder / "config.json", **changes)
    refuse(folder, words, tmp_path)


def test_a_pre_tokenizer_that_llama_cpp_does_not_know(tmp_path: Path) -> None:
    from tests.export.shapes import byte_level

    folder = write_shape("llama3", tmp_path / "m")
    made = byte_level(r"\p{L}+|\p{N}|[^\p{L}\p{N}]+", whole=False)
    made.save_pretrained(folder)
    refuse(folder, "does not know this tokenizer's way of splitting", tmp_path)


def test_terms_beside_a_unigram_vocabulary(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = write_shape("llama-unigram", tmp_path / "m")
    tokenizer = AutoTokenizer.from_pretrained(str(folder))
    tokenizer.add_tokens(["병용금기"])
    tokenizer.save_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(str(folder))
    model.resize_token_embeddings(len(tokenizer))
    model.save_pretrained(folder)
    refuse(folder, "병용금기 was added beside the unigram vocabulary", tmp_path)


def test_another_architecture_and_an_adapter(tmp_path: Path, adapter: Path) -> None:
    folder = write_shape("gemma3-every-third", tmp_path / "m")
    edit_json(folder / "config.json", model_type="gpt2", architectures=["GPT2LMHeadModel"])
    refuse(folder, "gpt2 cannot be exported", tmp_path)
    refuse(adapter, "kwtui export merge", tmp_path)
    refuse(write_shape("qwen3", tmp_path / "n"), "Unknown type q3", tmp_path, "q3")


def test_numbers_that_are_not_finite(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = write_shape("gemma3-every-third", tmp_path / "m")
    weights = load_file(folder / "model.safetensors")
    weights["model.norm.weight"][0] = float("nan")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(FailedError, match="not finite"):
        export_gguf(folder, tmp_path / "out.gguf", "f32")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m"]


def test_a_mixture_is_that_of_llama_cpp() -> None:
    names = [("token_embd.weight", (512, 256)), ("output_norm.weight", (256,))]
    for layer in range(8):
        names += [
            (f"blk.{layer}.attn_v.weight", (128, 256)),
            (f"blk.{layer}.attn_q.weight", (256, 256)),
            (f"blk.{layer}.ffn_down.weight", (256, 768)),
            (f"blk.{layer}.attn_q_norm.weight", (64,)),
        ]
    types = tensor_types(names, "q4_k_m", tied=True)
    assert types["token_embd.weight"] == "Q6_K"
    assert types["output_norm.weight"] == types["blk.3.attn_q_norm.weight"] == "F32"
    more = [n for n in range(8) if types[f"blk.{n}.ffn_down.weight"] == "Q6_K"]
    # Layers below n/8, from 7n/8 on, and every third between (use_more_bits).
    assert more == [0, 3, 6, 7]
    assert types["blk.1.attn_q.weight"] == "Q4_K"
    untied = tensor_types(names, "q4_k_m", tied=False)
    assert untied["token_embd.weight"] == "Q4_K"
    narrow = tensor_types([("blk.0.attn_q.weight", (8, 96))], "q4_k_m", tied=True)
    assert narrow["blk.0.attn_q.weight"] == "Q5_0"
    odd = tensor_types([("blk.0.attn_q.weight", (8, 20))], "q8_0", tied=True)
    assert odd["blk.0.attn_q.weight"] == "F16"


def test_llama_3_divides_low_frequencies() -> None:
    import torch
    from transformers import LlamaConfig
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    values = {"rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0}
    values |= {"low_freq_factor": 1.0, "high_freq_factor": 4.0}
    values |= {"original_max_position_embeddings": 8192}
    config = LlamaConfig(hidden_size=256, num_attention_heads=2, rope_parameters=values)
    theirs, _scale = ROPE_INIT_FUNCTIONS["llama3"](config, torch.device("cpu"))
    plain = 1 / 500000.0 ** (torch.arange(0, 128, 2) / 128)
    torch.testing.assert_close(plain / torch.tensor(llama3_factors(values, 128)), theirs)


KILLED = """
import sys, time
from pathlib import Path
from engines.export import gguf, merge
from engines.export.{module} import {name} as work
from engines.workspace import assets

slow = getattr(sys.modules["engines.export.{module}"], "{slow}")
def wait(*args, **more):
    result = slow(*args, **more)
    print("midway", flush=True)
    time.sleep(60)
    return result
setattr(sys.modules["engines.export.{module}"], "{slow}", wait)
work(Path(sys.argv[1]), Path(sys.argv[2]){more})
"""


@pytest.mark.parametrize(
    ("module", "name", "slow", "more"),
    [
        ("gguf", "export_gguf", "pack", ', "f32"'),
        ("merge", "merge", "_save", ", folders=[assets()]"),
        ("merge", "merge", "_compare", ", folders=[assets()]"),
    ],
)
def test_a_kill_midway_leaves_nothing_half_written(
    module: str, name: str, slow: str, more: str, adapter: Path, tmp_path: Path
) -> None:
    source = adapter if module == "merge" else assets() / "kw-mini"
    target = tmp_path / "out"
    code = KILLED.format(module=module, name=name, slow=slow, more=more)
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", code, str(source), str(target)],
        stdout=subprocess.PIPE,
        env=python_environment(),
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"midway\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert not target.exists()
    assert len(list(tmp_path.iterdir())) == 1
    # The next export sweeps up, and is whole.
    export_gguf(assets() / "kw-mini", target, "q8_0")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_living_writers_work_stays(tmp_path: Path) -> None:
    other = tmp_path / f".out.partial-{os.getppid()}"
    other.mkdir()
    with staged(tmp_path / "out", folder=True) as fresh:
        (fresh / "a").write_text("b")
    assert other.is_dir() and (tmp_path / "out" / "a").read_text() == "b"


# The command line of llama.cpp's converter, as far as it is used, with its work in a package of its
# own beside it, as it has been since 2026.
CONVERTER = """
import argparse
from conversion import write
known = argparse.ArgumentParser()
known.add_argument("--outfile")
known.add_argument("--outtype", choices=["f32", "f16", "bf16", "q8_0", "tq1_0", "tq2_0", "auto"])
known.add_argument("model")
given = known.parse_args()
write(given.model, given.outfile, given.outtype)
"""
CONVERSION = """
import pathlib, shutil
def write(model, outfile, outtype):
    assert (pathlib.Path(model) / "config.json").is_file()
    assert outtype in pathlib.Path({made!r}).name, outtype
    shutil.copyfile({made!r}, outfile)
"""


def folder_of_llama_cpp(tmp_path: Path, made: Path) -> Settings:
    """A folder that looks like llama.cpp's; its converter hands out `made`."""
    home = tmp_path / "llama.cpp"
    (home / "conversion").mkdir(parents=True)
    (home / "convert_hf_to_gguf.py").write_text(CONVERTER)
    (home / "conversion" / "__init__.py").write_text(CONVERSION.format(made=str(made)))
    settings = Settings()
    export = settings.export.model_copy(update={"llama_cpp": str(home)})
    return settings.model_copy(update={"export": export})


def test_the_users_converter_is_run_and_compared(base: Path, tmp_path: Path) -> None:
    made = tmp_path / "theirs-f16.gguf"
    export_gguf(base, made, "f16")
    settings = folder_of_llama_cpp(tmp_path, made)
    done = convert(base, tmp_path / "out.gguf", "f16", settings)
    assert (done.architecture, done.tensors) == ("gemma3", 54)
    order = Order(base, tmp_path / "both", ("f16",), proven=False, converter="both")
    report = export(order, settings, None)
    assert report.comparison is not None
    assert (report.comparison.same_tensors, report.comparison.different) == (54, ())
    export_gguf(base, tmp_path / "other.gguf", "q8_0")
    different = compare_files(made, tmp_path / "other.gguf").different
    assert "token_embd.weight: F16 / Q8_0" in different
    with pytest.raises(UserError, match="No folder of llama"):
        convert(base, tmp_path / "x.gguf", "f16", Settings())


def test_llama_quantize_stands_in_for_the_library(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engines.export.exporting.can_pack", lambda: False)
    log = tmp_path / "log"
    program = tmp_path / "llama-quantize"
    program.write_text(f'#!/bin/sh\necho "$3" > {log}\ncp "$1" "$2"\n')
    program.chmod(0o755)
    settings = Settings(commands={"llama-quantize": [str(program)]})
    order = Order(base, tmp_path / "out", ("q4_k_m",), proven=False)
    (file,) = export(order, settings, None).files
    assert (file.type, log.read_text()) == ("q4_k_m", "Q4_K_M\n")
    assert [path.name for path in (tmp_path / "out").glob("*.gguf*")] == ["out-q4_k_m.gguf"]


def test_a_workspaces_folder_of_llama_cpp_waits_for_trust(
    kwtui: Callable[..., Any], workspace: Any, tmp_path: Path
) -> None:
    ran = tmp_path / "ran"
    home = tmp_path / "llama.cpp"
    home.mkdir()
    (home / "convert_hf_to_gguf.py").write_text(f"open({str(ran)!r}, 'w')")
    with workspace.config.open("a") as config:
        config.write(f'\n[export]\nllama_cpp = "{home}"\n')
    done = kwtui("-w", workspace.root, "export", "gguf", "kw-mini", "--converter", "llama.cpp")
    assert done.returncode == 2 and "kwtui trust" in done.stderr
    assert not ran.exists()


def test_a_command_that_says_what_was_proven(kwtui: Callable[..., Any], workspace: Any) -> None:
    done = kwtui("-w", workspace.root, "export", "gguf", "kw-mini", "-t", "q8_0", "--no-proof")
    assert done.returncode == 0, done.stderr
    folder = workspace.models / "kw-mini-gguf"
    assert "kw-mini-q8_0.gguf" in done.stdout
    assert "exported without one" in (folder / "CARD.md").read_text(encoding="utf-8")
    again = kwtui("-w", workspace.root, "export", "gguf", "kw-mini", "--no-proof")
    assert again.returncode == 2 and "--force" in again.stderr


def test_a_server_ends_with_its_parent(base: Path, tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    export_gguf(base, path, "q8_0")
    code = (
        "import sys; from pathlib import Path; from engines.export.llamacpp import LlamaCpp\n"
        "l = LlamaCpp(Path(sys.argv[1]), context=256, threads=1)\n"
        "print(l._process.pid, l._folder, flush=True); sys.stdin.read()"
    )
    parent = subprocess.Popen(
        [sys.executable, "-P", "-c", code, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=python_environment(),
    )
    assert parent.stdout is not None
    number, folder = parent.stdout.readline().decode().split()
    parent.kill()
    parent.communicate()
    deadline = time.monotonic() + 30
    while Path(f"/proc/{number}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(f"/proc/{number}").exists()
    shutil.rmtree(folder, ignore_errors=True)
