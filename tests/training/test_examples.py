"""What a model is taught on: the tokens it will be asked with, and the answers in its texts."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engines.extraction.asking import Asker
from engines.extraction.backend import Ask, LocalBackend
from engines.models.chat import stop_ids
from engines.records import Example, ground
from engines.settings import PlainTemplate, StrategySettings
from engines.training.loss import add_answer_loss, heads_can_be_shared, packing_keeps_apart
from engines.training.plan import IGNORE, collate, make_plan, pack, shared_head
from engines.training.prompts import PromptBuilder, Tokens, Tools, passages_for
from engines.training.texts import Lesson, read_texts
from engines.training.tune_recipe import Data, Optimisation, Prompting, Source
from glossary.errors import UserError
from tests.tiny import byte_tokenizer, loaded, random_model, sentencepiece_tokenizer

KINDS = ["약효", "증상", "제형"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    tokenizer = sentencepiece_tokenizer(tmp_path_factory.mktemp("tokenizer"))
    from tests.tiny import CHAT

    tokenizer.chat_template = CHAT
    return loaded("gemma3_text", tokenizer)


def prompting(**changes: Any) -> Prompting:
    strategy = StrategySettings(kinds=KINDS, exclude=["의약품"], max_new_tokens=64)
    values = {"settings": strategy, "passage_chars": 1200, "passage_overlap": 120}
    return Prompting(**{**values, "plain": PlainTemplate(), **changes})


def lesson(text: str, words: list[str], **more: Any) -> Lesson:
    return Lesson("1", text, ground(text, words)[0], **more)


def build(model: Any, lessons: list[Lesson], limit: int = 4096, **changes: Any) -> list[Tokens]:
    return list(PromptBuilder(prompting(**changes), Tools(model), limit, 7).examples(lessons))


def text_of(model: Any, tokens: Tokens) -> tuple[str, str]:
    ids = tokens.ids.tolist()
    decode = model.tokenizer.decode
    return decode(ids[: tokens.answer]), decode(ids[tokens.answer :])


def test_the_prompt_is_token_for_token_the_one_of_inference(model: Any) -> None:
    text = "두통과 해열에 쓰는 파스"
    (tokens,) = build(model, [lesson(text, ["두통", "파스"])])
    settings = prompting().settings
    assert settings is not None
    asker = Asker(settings, model, plain=PlainTemplate())
    (question,) = asker.questions(text)
    assert isinstance(asker.backend, LocalBackend)
    request, _template = asker.backend.request(Ask(question.messages, text))
    assert tokens.ids[: tokens.answer].tolist() == request.prompt_ids
    assert (
        tokens.ids[-1]
        == request.stop_ids[0]
        == stop_ids(model.tokenizer, asker.rendered(question))[0]
    )
    assert text_of(model, tokens)[1].startswith('["두통","파스"]')


def test_a_base_model_is_asked_through_the_plain_template() -> None:
    bare = loaded("llama", byte_tokenizer())
    (tokens,) = build(bare, [lesson("두통약", ["두통"])], plain=PlainTemplate(user="Q: {content}"))
    prompt, answer = text_of(bare, tokens)
    assert prompt.removeprefix("<bos>").startswith("Q: ") and prompt.endswith("답:")
    assert answer == '["두통"]<eos>'


def test_a_records_own_instruction_is_used_word_for_word(tmp_path: Path, model: Any) -> None:
    file = tmp_path / "records.jsonl"
    own = "아래 문장에서 의약 키워드만 뽑아 주십시오 (JSON)."
    rows = [
        {"instruction": own, "input": "두통에 먹는 약", "output": ["두통"]},
        {"instruction": own, "input": "위염 환자", "output": '["위염"]'},
        {"text": "해열 효과", "labels": ["해열"]},
    ]
    file.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows))
    data = Data(sources=[Source(file=str(file), weight=2)], dev_share=0)
    texts = read_texts(data, 7)
    assert [item.instruction for item in texts.lessons] == [own, own, ""]
    first, second, third = build(model, texts.lessons)
    assert own in text_of(model, first)[0] and text_of(model, second)[1].startswith('["위염"]')
    assert own not in text_of(model, third)[0] and first.weight == 2


def test_long_texts_are_split_and_never_through_a_keyword(model: Any) -> None:
    words = ["급성 바이러스성 위장염 의심", "만성 폐쇄성 폐질환 악화"]
    text = ("환자는 " + words[0] + " 소견이 있으며 또한 " + words[1] + " 상태로 입원하여 ") * 6
    found = lesson(text, words)
    for limit in (30, 45, 60, 100):
        passages = passages_for(found, limit, limit // 4)
        joined = "".join(passage.text for passage in passages)
        for keyword in found.keywords:
            whole = [p for p in passages if keyword.surface in p.text]
            assert whole, (limit, keyword.surface, joined)
            for passage in passages:
                end = passage.start + len(passage.text)
                assert not passage.start < keyword.start < end < keyword.end
                assert not keyword.start < passage.start < keyword.end
    examples = build(model, [found], limit=260)
    assert len(examples) > 1 and all(len(tokens) <= 260 for tokens in examples)


def test_asking_for_some_kinds_answers_only_these(model: Any) -> None:
    text = "두통에 쓰는 진통 파스"
    spans = ground(text, ["두통", "진통", "파스"])[0]
    kinds = dict(zip(["두통", "진통", "파스"], ["증상", "약효", "제형"], strict=True))
    keywords = tuple(
        type(span)(span.start, span.end, span.surface, kinds[span.surface]) for span in spans
    )
    lessons = [Lesson(str(n), text, keywords) for n in range(12)]
    for tokens in build(model, lessons, kinds=1.0):
        prompt, answer = text_of(model, tokens)
        asked = prompt.split("종류: ")[1].split("\n")[0].split(", ")
        wanted = [word for word in ("두통", "진통", "파스") if kinds[word] in asked]
        assert 0 < len(asked) < 3 and json.loads(answer.split("]")[0] + "]") == wanted


def test_asking_by_kind_without_such_labels_is_a_sentence(model: Any) -> None:
    with pytest.raises(UserError, match="labels with the strategy's kinds"):
        build(model, [lesson("두통약", ["두통"])], kinds=0.5)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"text": "두통"}', "line 2: the keywords are missing"),
        ('{"labels": ["두통"]}', "ine 2: no text"),
        ('{"text": "두통", "labels": "두통, 치통"}', "ine 2: the keywords are a string"),
        ('{"text": "두통", ', "ine 2: not valid JSON"),
    ],
)
def test_wrong_data_is_named_with_its_line(tmp_path: Path, line: str, said: str) -> None:
    file = tmp_path / "records.jsonl"
    file.write_text('{"text": "해열", "labels": ["해열"]}\n' + line + "\n", encoding="utf-8")
    with pytest.raises(UserError) as caught:
        read_texts(Data(sources=[Source(file=str(file))]), 7)
    assert said in caught.value.sentence and "records.jsonl" in caught.value.sentence


def test_held_out_texts_never_train(tmp_path: Path) -> None:
    file = tmp_path / "records.jsonl"
    rows = [
        {"text": f"두통 {n}", "labels": ["두통"], "split": split}
        for n, split in enumerate(["", "dev", "test", "wild", ""])
    ]
    rows.append({"text": "두통  1", "labels": ["두통"]})
    file.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows))
    texts = read_texts(Data(sources=[Source(file=str(file))]), 7)
    assert [item.text for item in texts.lessons] == ["두통 0", "두통 4"]
    assert [example.text for example in texts.dev] == ["두통 1"]
    with pytest.raises(UserError, match="never trained on"):
        read_texts(Data(workspace=str(tmp_path), sources=[Source(split="test")]), 7)


def test_without_a_dev_set_the_same_share_is_held_back(tmp_path: Path) -> None:
    file = tmp_path / "records.jsonl"
    rows = [{"text": f"두통 {n}", "labels": ["두통"]} for n in range(60)]
    file.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows))
    data = Data(sources=[Source(file=str(file))], dev_share=0.2)
    first, again = read_texts(data, 7), read_texts(data, 7)
    assert first.dev == again.dev and 4 <= len(first.dev) <= 22
    assert not {e.text for e in first.dev} & {item.text for item in first.lessons}


def rows_with_head(count: int = 5, head: int = 40) -> list[Tokens]:
    rng = np.random.default_rng(0)
    start = rng.integers(3, 190, head)
    tails = [rng.integers(3, 190, 8 + 3 * n) for n in range(count)]
    return [
        Tokens(np.concatenate([start, tail]).astype(np.int32), head + 4, n)
        for n, tail in enumerate(tails)
    ]


@pytest.mark.parametrize(
    ("family", "shape"),
    [
        (
            "gemma3_text",
            {"sliding_window": 16, "layer_types": ["sliding_attention"] * 2 + ["full_attention"]},
        ),
        ("gemma2", {"sliding_window": 16, "final_logit_softcapping": 5.0}),
        ("qwen2", {}),
        ("mistral", {"sliding_window": 24}),
    ],
)
def test_shared_heads_and_packed_rows_give_the_loss_and_gradients_of_whole_rows(
    family: str, shape: dict[str, Any]
) -> None:
    model = random_model(family, 200, initializer_range=0.1, **shape)
    add_answer_loss(model)
    rows = rows_with_head()

    def measured(batch: dict[str, Any]) -> tuple[float, list[Any]]:
        model.zero_grad()
        total = model(**batch, answer_loss=True)["total"]
        total.backward()
        return float(total), [p.grad.clone() for p in model.parameters()]

    assert heads_can_be_shared(model) and packing_keeps_apart(model)
    whole, gradients = measured(collate(rows, 0, share_heads=False))
    for other in (collate(rows, 0, share_heads=True), pack(rows)):
        loss, ours = measured(other)
        assert loss == pytest.approx(whole, rel=1e-5)
        for mine, theirs in zip(ours, gradients, strict=True):
            assert (mine - theirs).abs().max() <= 1e-4 * max(1.0, float(theirs.abs().max()))


def test_the_loss_is_that_of_transformers(model: Any) -> None:
    rows = rows_with_head()
    batch = collate(rows, 0, share_heads=False)
    labels = batch["labels"]
    add_answer_loss(model.model)
    theirs = model.model(**batch).loss
    found = model.model(**batch, answer_loss=True)
    assert float(found["total"] / found["tokens"]) == pytest.approx(float(theirs), rel=1e-5)
    assert int(found["tokens"]) == int((labels != IGNORE).sum())


def test_a_head_never_holds_the_token_that_foretells_the_answer() -> None:
    same = Tokens(np.arange(3, 43, dtype=np.int32), 30, 0)
    assert shared_head([same, same]) == 29


def test_a_plan_shows_every_text_once_an_epoch_and_the_largest_batch_first() -> None:
    rng = np.random.default_rng(1)
    examples = [
        Tokens(np.zeros(int(size), dtype=np.int32), 1, n)
        for n, size in enumerate(rng.integers(8, 90, 203))
    ]
    how = Optimisation(epochs=2, batch_size=4, accumulation=3)
    plan = make_plan(examples, how, 7)
    seen = [index for batch in plan.batches for index in batch]
    assert sorted(seen) == sorted([*range(203)] * 2) and len(plan.batches) % 3 == 0
    padded = [len(b) * max((len(examples[i]) for i in b), default=0) for b in plan.batches]
    assert max(padded[:3]) == max(padded)
    useful = sum(len(examples[i]) for i in seen)
    assert useful / sum(padded) > 0.9
    halved = plan.halved()
    assert halved is not None and halved.steps == plan.steps and halved.largest == 2
    first = sorted(i for batch in plan.batches[:3] for i in batch)
    assert first == sorted(i for batch in halved.batches[:6] for i in batch)
    by_tokens = make_plan(examples, Optimisation(epochs=1, batch_tokens=300), 7)
    sizes = [len(b) * max(len(examples[i]) for i in b) for b in by_tokens.batches if b]
    assert max(sizes) <= 300


def test_weights_draw_texts_more_and_less_often() -> None:
    examples = [Tokens(np.zeros(9, dtype=np.int32), 1, n, w) for n, w in enumerate([3.0, 0.5])]
    plan = make_plan(examples, Optimisation(epochs=40, batch_size=1), 7)
    seen = [index for batch in plan.batches for index in batch]
    assert seen.count(0) == 120 and 8 <= seen.count(1) <= 32


def test_examples_survive_their_file(tmp_path: Path) -> None:
    from engines.training import dataset

    rows = rows_with_head()
    data = dataset.Dataset(rows, ["a"], [Example("1", "두통")], rows[:2], "x", [])
    dataset.save(data, tmp_path)
    again = dataset.saved(tmp_path)
    assert again is not None and dataset.digest(again.examples) == dataset.digest(rows)
    assert [e.text for e in again.dev] == ["두통"] and len(again.dev_examples) == 2
