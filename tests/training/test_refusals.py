"""What the machine does not have is a sentence before anything is trained."""

import sys
from pathlib import Path

import pytest

from engines.training.base_model import check_device, load_base, tokenizer_for_training
from glossary.errors import UserError
from tests.training.test_tuning import recipe_for, run


def test_gpus_that_are_not_there_are_named_and_what_to_do(tiny_folder: Path, records: Path) -> None:
    recipe = recipe_for(tiny_folder / "tiny", records, launch={"gpus": [0]})
    with pytest.raises(UserError, match=r"nvidia-smi.*launch\.gpus"):
        check_device(recipe)


def test_an_optimizer_that_needs_a_gpu_ends_the_run_with_a_sentence(
    tiny_folder: Path, records: Path, tmp_path: Path
) -> None:
    optimisation = {"optimizer": "adamw_8bit"}
    recipe = recipe_for(tiny_folder / "tiny", records, optimisation=optimisation)
    end = run(recipe, tmp_path / "run")
    assert end["state"] == "failed" and "set adamw" in end["reason"]
    assert "Traceback" not in end["reason"]


def test_four_bits_without_bitsandbytes_are_a_sentence(
    tiny_folder: Path, records: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    recipe = recipe_for(tiny_folder / "tiny", records, method="qlora")
    path = tiny_folder / "tiny"
    with pytest.raises(UserError, match="choose the method lora"):
        load_base(recipe, path, tokenizer_for_training(path))
