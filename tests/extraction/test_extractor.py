"""One Extractor runs every strategy: in order, grounded, with bounded memory."""

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from engines.extraction.cases import Cases
from engines.extraction.extractor import Extractor
from engines.records import Example, Prediction, ground
from engines.settings import CaseSettings, Settings, StrategySettings
from glossary.errors import UserError
from glossary.store import Glossary
from tests import tiny

TEXT = "진통과 해열 효과가 있는 파스형 의약품은 임산부와 노인에게 적합합니다."


def model(loaded: Any, **changes: Any) -> Extractor:
    parts = {
        name: changes.pop(name) for name in ("glossary", "cases", "settings") if name in changes
    }
    strategy = StrategySettings(**{"max_new_tokens": 24, "batch_size": 4, **changes})
    return Extractor("one", strategy, loaded=loaded, **parts)


def check(predictions: Sequence[Prediction]) -> None:
    for prediction in predictions:
        assert prediction.valid
        assert prediction.ungrounded == ()
        starts = [keyword.start for keyword in prediction.keywords]
        assert starts == sorted(starts)
        for keyword in prediction.keywords:
            assert prediction.text[keyword.start : keyword.end] == keyword.surface != ""
        surfaces = [keyword.surface for keyword in prediction.keywords]
        assert len(surfaces) == len(set(surfaces))


def test_the_dictionary_finds_whole_words_with_what_the_glossary_knows(glossary: Glossary) -> None:
    lookup = Extractor("dictionary", StrategySettings(kind="dictionary"), glossary=glossary)
    first, second = lookup.extract([TEXT, "파스타를 먹은 뒤 파스를 붙였다. 파스는 차다."])
    assert [k.surface for k in first.keywords] == ["진통", "해열", "파스", "임산부", "노인"]
    plaster = second.keywords[0]
    assert [(k.surface, k.start) for k in second.keywords] == [("파스", 10)]
    assert (plaster.category, plaster.canonical) == ("제형", "파스")
    assert plaster.term_id and second.model == "" and second.strategy == "dictionary"
    assert lookup.prompt(TEXT) == ""


def test_the_dictionary_also_takes_definitions_and_leaves_out_words(glossary: Glossary) -> None:
    own = StrategySettings(kind="dictionary", definitions={"적합": ""}, exclude=["노인"])
    found = next(Extractor("own", own, glossary=glossary).extract([TEXT]))
    assert [k.surface for k in found.keywords][-2:] == ["임산부", "적합"]
    alone = next(Extractor("own", own).extract([TEXT]))
    assert [k.surface for k in alone.keywords] == ["적합"]
    with pytest.raises(UserError, match="needs a glossary and there is none"):
        Extractor("dictionary", StrategySettings(kind="dictionary"))


def test_answers_come_in_order_grounded_with_their_cost(gemma: Any) -> None:
    texts = [Example(f"id-{n}", text) for n, text in enumerate(tiny.TEXTS * 3)]
    heard: list[int] = []
    predictions = list(model(gemma).extract(texts, on_progress=heard.append))
    assert [(p.id, p.text) for p in predictions] == [(e.id, e.text) for e in texts]
    check(predictions)
    assert heard == sorted(heard) and heard[-1] == len(texts)
    assert all(p.prompt_tokens > 0 and p.seconds > 0 and p.rounds == 1 for p in predictions)
    assert {(p.strategy, p.model, p.template) for p in predictions} == {("one", gemma.name, "chat")}
    assert any(p.keywords for p in predictions)


def test_a_text_alone_is_answered_as_in_a_batch(gemma: Any) -> None:
    together = list(model(gemma).extract(tiny.TEXTS))
    alone = [next(model(gemma, batch_size=1).extract([text])) for text in tiny.TEXTS]
    assert [p.keywords for p in together] == [p.keywords for p in alone]


def test_an_endless_input_is_streamed(gemma: Any) -> None:
    taken: list[int] = []

    def endless() -> Iterator[str]:
        for number in itertools.count(1):
            taken.append(number)
            yield TEXT

    stream = model(gemma, batch_size=1, max_new_tokens=4).extract(endless())
    assert [p.id for p in itertools.islice(stream, 6)] == ["1", "2", "3", "4", "5", "6"]
    assert len(taken) <= 12


def test_a_cancelled_run_ends_with_what_is_whole(gemma: Any) -> None:
    done: list[int] = []
    extractor = model(gemma, batch_size=1, max_new_tokens=8)
    got = list(
        extractor.extract(
            [TEXT] * 40, on_progress=done.append, cancelled=lambda: max(done, default=0) >= 6
        )
    )
    assert len(got) == 4


def test_an_empty_text_has_no_keywords_and_asks_nothing(gemma: Any) -> None:
    for prediction in model(gemma).extract(["", "  \n "]):
        assert (prediction.keywords, prediction.valid, prediction.new_tokens) == ((), True, 0)


def test_a_long_text_is_read_whole_in_passages(gemma: Any) -> None:
    text = " ".join(tiny.TEXTS * 90)
    assert len(text) > 20_000
    settings = Settings()
    settings.extraction.passage_chars, settings.extraction.passage_overlap = 60, 10
    extractor = model(gemma, settings=settings)
    prediction = next(extractor.extract([text]))
    check([prediction])
    assert prediction.keywords
    prompts = extractor.prompt(text).split("\n\n")
    assert len(prompts) > len(text) / 60
    assert all(sentence in extractor.prompt(text) for sentence in tiny.TEXTS)


def test_passages_shrink_to_the_models_context(gemma: Any, tmp_path: Path) -> None:
    narrow = tiny.loaded("gemma3_text", gemma.tokenizer, max_position_embeddings=256)
    prediction = next(model(narrow, max_new_tokens=32).extract([TEXT * 12]))
    check([prediction])
    with pytest.raises(UserError, match="leaves no room for the text"):
        list(model(narrow, max_new_tokens=250).extract([TEXT]))


def test_examples_that_do_not_fit_are_left_out(gemma: Any) -> None:
    narrow = tiny.loaded("gemma3_text", gemma.tokenizer, max_position_embeddings=300)
    cases = [CaseSettings(text=text, keywords=[]) for text in tiny.TEXTS]
    fixed = model(narrow, cases=None, shots_choice="fixed", shots=8, max_new_tokens=64)
    fixed = Extractor(
        "few",
        StrategySettings(cases=cases, shots_choice="fixed", shots=8, max_new_tokens=64),
        loaded=narrow,
    )
    assert 0 < fixed.prompt(TEXT).count("\n답: []") < 8
    check(list(fixed.extract([TEXT])))


def test_the_prompt_shows_definitions_terms_and_examples(
    gemma: Any, glossary: Glossary, tmp_path: Path
) -> None:
    train = [
        Example(str(n), text, ground(text, ["파스", "노인"])[0], "train")
        for n, text in enumerate(["노인이 파스를 붙이고 쉬었다", "문을 여덟 시에 닫습니다"])
    ]
    cases = Cases.open(tmp_path / "cases.lance", "1", lambda: train)
    extractor = model(
        gemma,
        glossary=glossary,
        cases=cases,
        shots=1,
        kinds=["제형", "대상", "효능"],
        exclude=["약"],
        notes=["파스도 키워드입니다."],
    )
    strategy = extractor.strategy.model_copy(
        update={"glossary": True, "definitions": {"노인": "예순다섯 이상"}}
    )
    shown = Extractor("rag", strategy, loaded=gemma, glossary=glossary, cases=cases).prompt(TEXT)
    assert shown == (
        "<bos><start_of_turn>user\n"
        "다음 글에서 키워드를 찾아 JSON 배열로 답하세요.\n"
        "종류: 제형, 대상, 효능\n"
        "제외: 약, 의약품\n"
        "참고: 파스도 키워드입니다.\n"
        "용어:\n- 진통\n- 해열\n- 파스: 약을 바른 외용제\n- 임산부\n- 노인: 예순다섯 이상\n"
        '글: 노인이 파스를 붙이고 쉬었다\n답: ["노인","파스"]\n'
        f"글: {TEXT}\n답:<end_of_turn>\n<start_of_turn>model\n"
    )


def test_by_kind_asks_once_a_kind_and_names_the_category(gemma: Any) -> None:
    kinds = ["제형: 약의 모양", "대상"]
    extractor = model(gemma, passes="by_kind", kinds=kinds)
    shown = extractor.prompt(TEXT)
    assert shown.count("<bos>") == 2 and "종류:\n- 제형: 약의 모양\n글" in shown
    assert "종류: 대상\n글" in shown
    predictions = list(extractor.extract(tiny.TEXTS))
    check(predictions)
    found = {k.category for p in predictions for k in p.keywords}
    assert found and found <= {"제형", "대상"}
    with pytest.raises(UserError, match="names no kinds"):
        model(gemma, passes="by_kind")


def test_cleaning_first_still_grounds_in_the_text_as_given(gemma: Any) -> None:
    extractor = model(gemma, passes="clean_then_extract")
    assert extractor.prompt(TEXT).count("<bos>") == 2
    single = next(model(gemma).extract([TEXT]))
    cleaned = next(extractor.extract([TEXT]))
    check([cleaned])
    assert cleaned.prompt_tokens > single.prompt_tokens
    assert cleaned.new_tokens > single.new_tokens


def test_free_answers_are_grounded_after_the_fact(gemma: Any) -> None:
    predictions = list(model(gemma, constrained=False).extract(tiny.TEXTS))
    assert not all(p.valid for p in predictions)
    for prediction in predictions:
        assert all(prediction.text[k.start : k.end] == k.surface for k in prediction.keywords)
        assert all(word not in prediction.text for word in prediction.ungrounded)


def test_feedback_says_rounds_and_sources(gemma: Any, glossary: Glossary) -> None:
    plain = StrategySettings(glossary=True, max_new_tokens=24)
    nagged = plain.model_copy(
        update={"feedback_rounds": 2, "feedback_sources": ["missed", "excluded"]}
    )
    without = next(Extractor("rag", plain, loaded=gemma, glossary=glossary).extract([TEXT]))
    with_it = next(Extractor("rag", nagged, loaded=gemma, glossary=glossary).extract([TEXT]))
    assert (without.rounds, without.feedback) == (1, ())
    assert with_it.rounds in (2, 3)
    assert {note.source for note in with_it.feedback} <= {"missed", "excluded"}
    first = with_it.feedback[0]
    assert first.source == "missed" and f"'{first.word}'" in first.sentence
    assert with_it.prompt_tokens > without.prompt_tokens
    check([with_it])
    calm = Extractor("rag", nagged, loaded=gemma, glossary=glossary)
    assert next(calm.extract(["아무 말이나 씁니다."])).rounds == 1
    with pytest.raises(UserError, match="Set glossary = true"):
        Extractor("x", nagged.model_copy(update={"glossary": False}), loaded=gemma)


def test_a_person_can_ask_again(gemma: Any) -> None:
    extractor = model(gemma)
    first = next(extractor.extract([TEXT]))
    missing = next(
        w for w in ("적합합니다", "임산부", "효과") if w not in [k.surface for k in first.keywords]
    )
    again = extractor.retry(first, missed=[missing, "없는 말"], wrong=["이것도 없다"])
    assert again.rounds == 2
    assert [(note.source, note.word) for note in again.feedback] == [("person", missing)]
    check([again])
    assert extractor.retry(first, missed=["없는 말"]) is first
    third = extractor.retry(again, missed=["의약품은"], wrong=[k.surface for k in again.keywords])
    assert third is again or third.rounds == 3


def test_canonical_forms_stand_at_their_alias(gemma: Any, glossary: Glossary) -> None:
    text = "어깨 근육 통에 씁니다"
    strategy = StrategySettings(glossary=True, allow_canonical=True, max_new_tokens=24)
    extractor = Extractor("forms", strategy, loaded=gemma, glossary=glossary)
    assert "- 근육 통: 근육통. 근육이 아픈 것" in extractor.prompt(text)
    from engines.extraction.support import ground_forms, support_for

    support = support_for(strategy, glossary, text)
    (keyword,) = ground_forms(["근육통", "파스"], text, support.forms)
    assert (keyword.start, keyword.end, keyword.surface) == (3, 7, "근육 통")
    assert (keyword.canonical, keyword.category) == ("근육통", "증상")
    check(list(extractor.extract([text])))


def test_a_base_model_gets_the_plain_template(gemma: Any) -> None:
    import copy

    tokenizer = copy.deepcopy(gemma.tokenizer)
    tokenizer.chat_template = None
    base = tiny.loaded("gemma3_text", tokenizer)
    predictions = list(model(base).extract(tiny.TEXTS[:3]))
    check(predictions)
    assert {p.template for p in predictions} == {"plain"}


def test_a_model_strategy_needs_its_model() -> None:
    with pytest.raises(UserError, match="needs the model 'kw-mini'"):
        Extractor("prompt", StrategySettings())
