"""Training from a workspace: its corpus, its glossary in the prompts, its models/ at the end."""

import json
from pathlib import Path
from typing import Any

import pytest

from engines.corpus.formats import examples_of, open_records
from engines.corpus.store import Corpus
from engines.extraction.opening import Opener
from engines.settings import load
from engines.training import dataset
from engines.training.recipe import checked
from engines.training.start import complete, prepare, run_path
from engines.training.worker import work
from engines.workspace import Workspace
from glossary.store import Glossary
from glossary.term import Term
from tests.training.conftest import ROWS
from tests.training.test_tuning import SMALL


def bad(line: Any) -> None:
    raise AssertionError(line)


@pytest.fixture(scope="module")
def space(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    space = Workspace.create(tmp_path_factory.mktemp("domain") / "space")
    with space.config.open("a", encoding="utf-8") as config:
        config.write(f'[models]\nfolders = ["models", "{tiny_folder}"]\n')
        config.write('[strategies.rag]\nmodel = "tiny"\nglossary = true\n')
    file = space.root / "texts.jsonl"
    with Corpus.open(space.corpus_path, create=True) as corpus:
        for split, times in (("train", "가나"), ("dev", "다")):
            rows = [{"text": f"{t}. {x}", "labels": words} for t in times for x, words in ROWS]
            lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            file.write_text("".join(lines), encoding="utf-8")
            corpus.add(examples_of(open_records(file), bad), split=split)
    terms = [
        Term(id="", canonical="파스", definition="붙이는 약", category="제형"),
        Term(id="", canonical="임산부", category="대상"),
    ]
    Glossary.open(space.glossary_path, create=True).upsert(terms, author="test")
    return space


def test_a_run_reads_the_corpus_with_glossary_lines_and_its_model_is_known_by_name(
    space: Workspace,
) -> None:
    settings = load(space.root)
    values = {**SMALL, "model": "tiny", "prompt": {"strategy": "rag"}}
    values["optimisation"] = {**values["optimisation"], "steps": 2}  # type: ignore[dict-item]
    recipe = complete(checked(values, "test"), settings, space, Path.cwd())
    folder = prepare(recipe, run_path(space, recipe), space)
    end = work(folder)
    assert end["state"] == "finished", end
    assert Path(end["output"]) == space.models / "tiny-lora"
    data = dataset.saved(folder.path)
    assert data is not None and len(data.examples) == 16 and len(data.dev) == 8

    opener = Opener(load(space.root), space)
    extractor = opener.extractor("rag", model="tiny-lora")
    from engines.models.loading import load_tokenizer

    tokenizer = load_tokenizer(space.models / "tiny-lora")
    first = data.examples[0]
    asked = extractor.prompt("가. " + ROWS[0][0])
    assert "- 파스: 붙이는 약" in asked
    ids = tokenizer(asked, add_special_tokens=False)["input_ids"]
    assert first.ids[: first.answer].tolist() == ids


def test_a_second_run_of_the_same_name_does_not_take_the_first_ones_model(
    space: Workspace,
) -> None:
    from engines.training.publish import ORIGIN, _free

    taken = space.models / "taken"
    taken.mkdir()
    (taken / ORIGIN).write_text('{"run": "one"}')
    assert _free(space.models, "taken", "one") == taken
    assert _free(space.models, "taken", "two").name == "taken-2"
