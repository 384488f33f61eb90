"""What is foretold of whole runs against what they take; what does not fit is refused."""

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engines import hardware
from engines.children import python_command, python_environment
from engines.events import read_events
from engines.hardware import GIB, Gpu, GpuProcess
from engines.settings import load
from engines.training import calibration
from engines.training.calibration import Pace, Trial, calibrate, kept, kept_file
from engines.training.plan import make_plan
from engines.training.preflight import Preflight, check, preflight
from engines.training.preflight_job import data_shape, histogram, setting_of
from engines.training.recipe import checked
from engines.training.shapes import GEMMA_2B, GEMMA_3_1B, config_values
from engines.training.start import complete, prepare
from engines.training.tune_recipe import TuneRecipe
from glossary.errors import FailedError
from tests import tiny
from tests.conftest import Run


@pytest.fixture(autouse=True)
def one_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@pytest.fixture(scope="module")
def mini(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of kw-mini's shape with random weights, and labeled texts beside it."""
    folder = tmp_path_factory.mktemp("mini")
    model = folder / "mini"
    tokenizer = tiny.sentencepiece_tokenizer(model)
    tokenizer.chat_template = tiny.CHAT
    tokenizer.save_pretrained(model)
    size = {"hidden_size": 256, "intermediate_size": 768, "num_hidden_layers": 5, "head_dim": 64}
    tiny.random_model("gemma3_text", 3000, **size).save_pretrained(model)
    with (folder / "texts.jsonl").open("w", encoding="utf-8") as file:
        for n in range(120):
            text = " ".join(tiny.TEXTS[(n + k) % 8] for k in range(4))
            row = {"text": text, "keywords": [text.split()[0][:2]]}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    return folder


def recipe_of(mini: Path, method: str, **optimisation: Any) -> TuneRecipe:
    values = {
        "method": method,
        "model": str(mini / "mini"),
        "data": {
            "sources": [{"file": str(mini / "texts.jsonl")}],
            "dev": {"split": "", "file": ""},
        },
        "optimisation": {"steps": 2, "batch_size": 8, "threads": 1, **optimisation},
        "evaluation": {"texts": 8},
        "saving": {"log_steps": 1, "tensorboard": False},
    }
    whole = complete(checked(values, "test"), load(None), None, mini)
    assert isinstance(whole, TuneRecipe)
    return whole


@pytest.mark.parametrize(
    ("method", "batch", "share"),
    [
        ("full", 16, False),
        pytest.param("full", 32, False, marks=pytest.mark.long),
        pytest.param("full", 8, True, marks=pytest.mark.long),
        pytest.param("lora", 32, False, marks=pytest.mark.long),
        pytest.param("lora", 8, True, marks=pytest.mark.long),
    ],
)
def test_a_run_on_the_cpu_takes_what_was_foretold(
    mini: Path, tmp_path: Path, method: str, batch: int, share: bool
) -> None:
    """Peak resident memory of a real run against the preflight, within 12 percent."""
    recipe = recipe_of(mini, method, batch_size=batch, share_heads=share)
    folder = prepare(recipe, tmp_path / "run", None)
    found = preflight(recipe, folder.path, trial=False)
    done = subprocess.run(
        python_command("engines.training.worker", str(folder.path)),
        env=python_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert folder.read()["state"] == "finished", done.stderr
    peaks = [e["rss_peak"] for e in read_events(folder.events) if e["kind"] == "resources"]
    print(f"{method} x{batch}: foretold {found.total >> 20} MiB, measured {peaks[-1] >> 20} MiB")
    assert found.total == pytest.approx(peaks[-1], rel=0.12)


def test_the_largest_batch_is_the_planned_one(mini: Path) -> None:
    recipe = recipe_of(mini, "lora", batch_size=6, accumulation=2)
    found = preflight(recipe, trial=False)
    assert found.data.rows == 6 and found.data.steps == 2
    assert sum(count for _from, _to, count in found.data.histogram) == found.data.examples
    assert found.data.head > 20, "all prompts share the instruction"
    assert found.trained == setting_of(recipe, gpu=False).shape.adapters(8, recipe.lora.targets)
    packed = preflight(recipe_of(mini, "lora", packing=True), trial=False)
    assert packed.data.rows == 1 and packed.data.length > found.data.length


def test_histogram_covers_every_length() -> None:
    assert histogram([]) == []
    bars = histogram([1, 5, 5, 90])
    assert sum(count for *_, count in bars) == 4 and bars[-1][0] <= 90 < bars[-1][1]
    assert len(bars) <= 16


def card(free: float, total: float = 80, *others: GpuProcess) -> Gpu:
    used = round((total - free) * GIB)
    return Gpu(0, "GPU-0", "H100", round(total * GIB), used, round(free * GIB), processes=others)


def on_gpu(mini: Path, gpu: Gpu, method: str = "full", **changes: Any) -> Preflight:
    return preflight(recipe_of(mini, method, **changes), trial=False, devices=[gpu])


def test_what_does_not_fit_is_refused_with_changes_that_make_it_fit(mini: Path) -> None:
    enough = on_gpu(mini, card(80), batch_size=64)
    assert enough.fits
    check(enough)
    need = enough.total / GIB
    small = on_gpu(mini, card(need - 0.05, need - 0.05), batch_size=64)
    assert not small.fits and not small.could_fit
    best = next(p for p in small.proposals if p.fits)
    with pytest.raises(FailedError, match=r"H100 has .* GiB free") as refused:
        check(small)
    assert best.options in refused.value.sentence and "--force" in refused.value.sentence
    # Each proposal saves what it says when it is made.
    values = recipe_of(mini, "full", batch_size=64).model_dump(mode="json", exclude_none=True)
    for proposal in small.proposals[:3]:
        changed = json.loads(json.dumps(values))
        for key, value in proposal.changes.items():
            table, _, name = key.rpartition(".")
            (changed[table] if table else changed)[name] = value
        recipe = checked(changed, "test")
        after = preflight(recipe, trial=False, devices=[card(need - 0.05, need - 0.05)])
        assert after.total == pytest.approx(proposal.total, rel=0.03), proposal


def test_a_colleague_on_the_gpu_is_named_and_the_queue_offered(mini: Path) -> None:
    other = GpuProcess(7, "minji", "python", 79 * GIB)
    found = on_gpu(mini, card(0.1, 80, other))
    assert not found.fits and found.could_fit
    with pytest.raises(FailedError, match=r"minji \(79\.0 GiB\).*--queue"):
        check(found)
    check(found, queued=True)


def test_a_disk_too_small_for_the_checkpoints_is_told(
    mini: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hardware, "disk_free", lambda _path: 1000)
    found = preflight(recipe_of(mini, "full"), trial=False)
    assert found.disk > 5 * 12 * found.trained - 10 * found.trained
    with pytest.raises(FailedError, match=r"saving\.keep"):
        check(found)


# ---- time


def measured(trial: Trial) -> Pace:
    """A trial made in this process, which has imported everything, and kept."""
    from engines.training import calibration

    # However busy the machine of this test is.
    pace = replace(calibration.measure(trial), busy=0.0)
    assert pace.layer >= 0 and pace.rest + pace.layer > 0 and pace.base > 2**28
    calibration._keep(trial, pace)
    return pace


def test_a_trial_is_made_once_and_kept() -> None:
    shape = replace(GEMMA_3_1B, layers=2, hidden=32, intermediate=64, vocabulary=99, head_dim=8)
    trial = Trial(shape.to_json(), "lora", 2, 16, 4, False, False, 4, "all-linear", 1)
    assert kept(trial) is None
    with pytest.raises(FailedError, match="trial"):
        calibrate(trial, timeout=0.01)
    pace = measured(trial)
    assert kept(trial) == pace == calibrate(trial, timeout=0.01)
    assert kept(replace(trial, rows=3)) is None
    calibration._keep(trial, replace(pace, busy=0.9))
    assert kept(trial) == replace(pace, busy=0.9)
    with pytest.raises(FailedError, match="trial"):
        calibrate(trial, timeout=0.01)  # what was tried beside other work is tried again
    kept_file().write_text("{")
    assert kept(trial) is None


def test_time_grows_with_layers_tokens_and_steps() -> None:
    pace = Pace(0.1, 0.2, 0.001, 0.002, 1024, 2**29)
    assert pace.step(10) == pytest.approx(1.2)
    assert pace.decode(10) == pytest.approx(0.012)


# ---- the command


def test_the_command_foretells_and_starts_nothing(mini: Path, kwtui: Run, tmp_path: Path) -> None:
    kept_file().parent.mkdir(parents=True, exist_ok=True)
    command = ["train", "--method", "lora", "--model", mini / "mini"]
    command += ["--data", mini / "texts.jsonl", "--set", "optimisation.threads=1", "--preflight"]
    done = kwtui(*command, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["fits"] and found["total"] > 2**28 and found["seconds"] > 0
    assert found["estimate"]["total"] == found["total"]
    assert list(tmp_path.iterdir()) == [], "nothing is written"
    assert len(json.loads(kept_file().read_text())) == 1, "but the pace of this machine"


def test_data_figures_do_not_need_a_model() -> None:
    import numpy as np

    from engines.training.prompts import Tokens

    examples = [Tokens(np.arange(n, dtype=np.int32), n - 3, 0) for n in (30, 40, 50, 60)]
    recipe = TuneRecipe()
    recipe.optimisation.batch_size, recipe.optimisation.epochs = 2, 1.0
    plan = make_plan(examples, recipe.optimisation, 7)
    data = data_shape(examples, plan, recipe)
    assert (data.rows, data.length, data.answers) == (2, 60, 3)
    assert data.tokens == 180 and data.steps == 2
    assert config_values(GEMMA_2B)["num_hidden_layers"] == 18
