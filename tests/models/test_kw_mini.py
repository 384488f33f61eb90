"""The embedded model: loadable by plain transformers, small, able to copy, true to its card."""

import json
import lzma
import unicodedata
from pathlib import Path

import pytest

from engines.extraction.extractor import Extractor
from engines.models.loading import LoadedModel, load
from engines.records import Example, ground
from engines.settings import StrategySettings
from engines.settings import load as load_settings
from engines.workspace import assets

HOME = assets() / "kw-mini"
MISSION = "진통과 해열 효과가 있는 파스형 의약품은 임산부와 노인에게 적합합니다."


@pytest.fixture(scope="module")
def loaded() -> LoadedModel:
    return load(HOME)


def dev(count: int) -> list[Example]:
    with lzma.open(HOME / "data" / "konne_dev.jsonl.xz", "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line, _n in zip(file, range(count), strict=False)]
    return [Example(r["id"], r["text"], ground(r["text"], r["keywords"])[0]) for r in rows]


def extractor(loaded: LoadedModel, **options: object) -> Extractor:
    strategy = StrategySettings.model_validate(options)
    return Extractor(
        "test", strategy, loaded=loaded, glossary=None, cases=None, settings=load_settings(None)
    )


def test_plain_transformers_loads_it() -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(HOME)
    tokenizer = AutoTokenizer.from_pretrained(HOME)
    assert model.config.model_type == "gemma3_text"
    assert model.get_input_embeddings().weight is model.get_output_embeddings().weight
    assert model.config.use_cache
    assert len(tokenizer) == model.config.vocab_size
    assert (HOME / "model.safetensors").stat().st_size <= 25_000_000
    prompt = tokenizer.apply_chat_template(
        [{"role": "user", "content": "글: 파스\n답:"}],
        add_generation_prompt=True,
        return_tensors="pt",
        return_dict=True,
    )
    out = model.generate(**prompt, max_new_tokens=8)
    assert out.shape[1] > prompt["input_ids"].shape[1]


def test_a_word_has_the_same_pieces_in_the_text_and_in_the_answer(loaded: LoadedModel) -> None:
    hits = total = 0
    for example in dev(500):
        text = loaded.tokenizer.tokenize(example.text)
        for keyword in example.keywords:
            pieces = loaded.tokenizer.tokenize(keyword.surface)
            starts = range(len(text) - len(pieces) + 1)
            hits += any(text[i : i + len(pieces)] == pieces for i in starts)
            total += 1
    assert hits / total >= 0.95


def test_sentencepiece_and_tokenizers_agree(loaded: LoadedModel) -> None:
    import sentencepiece

    slow = sentencepiece.SentencePieceProcessor(model_file=str(HOME / "tokenizer.model"))
    for example in dev(500):
        ids = loaded.tokenizer(example.text, add_special_tokens=False)["input_ids"]
        assert ids == slow.encode(example.text)
        assert loaded.tokenizer.decode(ids) == example.text


def test_it_extracts_what_its_card_says(loaded: LoadedModel) -> None:
    from engines.evaluation.metrics import score

    card = json.loads((HOME / "figures.json").read_text(encoding="utf-8"))
    examples = dev(100)
    answers = list(extractor(loaded).extract(examples))
    scores = score(examples, answers)
    assert scores.invalid_rate == 0
    assert scores.hallucination_rate == 0
    # A hundred texts of the card's five hundred: within what chance allows.
    assert scores.f1 == pytest.approx(card["konne_dev"]["plain, constrained"]["f1"], abs=0.08)


def test_a_term_that_the_prompt_explains_is_found_more_often(loaded: LoadedModel) -> None:
    examples = dev(60)
    plain = [{k.surface for k in p.keywords} for p in extractor(loaded).extract(examples)]
    shown = gained = 0
    for example, answered in zip(examples, plain, strict=True):
        missed = [k.surface for k in example.keywords if k.surface not in answered][:1]
        if not missed:
            continue
        (answer,) = extractor(loaded, definitions={missed[0]: ""}).extract([example])
        shown += 1
        gained += missed[0] in {k.surface for k in answer.keywords}
    assert gained / shown > 0.3


def test_the_example_of_the_mission_is_answered(loaded: LoadedModel) -> None:
    terms = dict.fromkeys(("진통", "해열", "파스", "임산부", "노인"), "")
    (answer,) = extractor(loaded, definitions=terms).extract([MISSION])
    assert answer.valid
    assert len({k.surface for k in answer.keywords} & set(terms)) >= 3


@pytest.mark.parametrize("name", ["recipe.toml", "recipe-2.toml"])
def test_no_training_text_holds_a_keyword_of_the_demo(name: str) -> None:
    from engines.training.recipe import load_recipe
    from engines.training.scratch import read_labeled
    from engines.training.scratch_recipe import ScratchRecipe

    recipe = load_recipe(HOME / name)
    assert isinstance(recipe, ScratchRecipe)
    records, _weights, left_out = read_labeled(recipe.data, HOME)
    assert left_out > 0
    text = "\n".join(record.text for record in records)
    held = {word for word in demo_keywords() if len(word) > 1 and word in text}
    assert not held


def demo_keywords() -> set[str]:
    words: set[str] = set()
    for split in ("train", "dev", "test", "wild"):
        path: Path = assets() / "demo" / f"{split}.jsonl"
        for line in path.read_text(encoding="utf-8").splitlines():
            words |= {k["surface"] for k in json.loads(line)["keywords"]}
    return {unicodedata.normalize("NFC", word) for word in words}
