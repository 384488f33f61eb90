"""Many texts at once are answered as one at a time, by models of every family."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import LogitsProcessor, LogitsProcessorList

from engines.extraction.decoding import Cancelled, Decoded, Decoder, Request
from engines.extraction.grammar import Grammar, GrammarCompiler, parse_answer
from engines.models.chat import encode, render, stop_ids
from engines.models.loading import LoadedModel
from glossary.errors import FailedError
from tests import tiny

LIMIT = 20
WINDOW = {"sliding_window": 24}
MIXED = {**WINDOW, "layer_types": ["sliding_attention", "full_attention", "sliding_attention"]}
# Families with their options, and whether their rows can share a batch.
FAMILIES: dict[str, tuple[dict[str, Any], bool]] = {
    "gemma3_text": (MIXED, True),
    "gemma2": (MIXED, True),
    "gemma": ({}, True),
    "llama": ({}, True),
    "mistral": (WINDOW, True),
    "qwen2": ({}, True),
    "qwen3": ({}, True),
    "phi3": ({}, True),
    "gpt2": ({}, True),
    "bloom": ({}, False),
    "mamba": ({}, False),
}
NO_SYSTEM = (
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}"
    "{% endif %}"
)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return tiny.sentencepiece_tokenizer(tmp_path_factory.mktemp("sp"))


@pytest.fixture(scope="module")
def gemma(tokenizer: Any) -> LoadedModel:
    loaded: LoadedModel = tiny.loaded("gemma3_text", tokenizer, **MIXED)
    return loaded


def many_texts(count: int) -> list[str]:
    """Different texts of very different lengths, in no order of length."""
    texts = [f"{n}. {' '.join(tiny.TEXTS[n % 8 : n % 8 + 1 + n % 3])}" for n in range(count)]
    return [text[: 8 + (n * 37) % len(text)] for n, text in enumerate(texts)]


def requests(tokenizer: Any, texts: Sequence[str] = tiny.TEXTS, **options: Any) -> list[Request]:
    """Prompts with a shared head, about one text each; free answers end at <eos>."""
    prompts = [f"{tiny.HEAD}{text}\n답:" for text in texts]
    encoded = [[2, *tokenizer.encode(p, add_special_tokens=False)] for p in prompts]
    options = {"stop_ids": (1,), **options}
    return [Request(ids, text, **options) for ids, text in zip(encoded, texts, strict=True)]


def one_by_one(loaded: LoadedModel, asked: Sequence[Request], limit: int = LIMIT) -> list[Decoded]:
    """Each request alone, without a head kept from another."""
    return [Decoder(loaded).generate([r], max_new_tokens=limit, batch_size=1)[0] for r in asked]


class Constraint(LogitsProcessor):  # type: ignore[misc]
    """The grammar as transformers would apply it: an independent way to the same answer."""

    def __init__(self, compiler: GrammarCompiler, request: Request) -> None:
        self._matcher = compiler.matcher(Grammar(request.text, request.allowed))
        self._seen = len(request.prompt_ids)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        for token in input_ids[0, self._seen :].tolist():
            self._matcher.consume_token(token)
        self._seen = input_ids.shape[1]
        mask = torch.frombuffer(bytearray(self._matcher.compute_bitmask()), dtype=torch.uint8)
        bits = (mask[:, None] >> torch.arange(8)) & 1
        allowed = bits.flatten()[: scores.shape[1]].bool()
        return scores.masked_fill(~allowed, -torch.inf)


def reference(loaded: LoadedModel, asked: Sequence[Request], limit: int = LIMIT) -> list[str]:
    """The answers of `model.generate`, one text at a time."""
    compiler = GrammarCompiler(loaded.tokenizer, loaded.model.config.vocab_size)
    raws = []
    for request in asked:
        steps = [Constraint(compiler, request)] if request.constrained else []
        with torch.inference_mode():
            out = loaded.model.generate(
                torch.tensor([request.prompt_ids]),
                attention_mask=torch.ones(1, len(request.prompt_ids), dtype=torch.long),
                max_new_tokens=limit,
                do_sample=False,
                eos_token_id=1,
                pad_token_id=0,
                logits_processor=LogitsProcessorList(steps),
            )
        new = out[0, len(request.prompt_ids) :].tolist()
        new = new[: new.index(1)] if 1 in new else new
        free = loaded.tokenizer.decode(new, skip_special_tokens=True)
        raws.append(compiler.text(new) if request.constrained else free)
    return raws


@pytest.mark.parametrize("constrained", [True, False])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_batch_answers_as_one_text_at_a_time(
    tokenizer: Any, family: str, constrained: bool
) -> None:
    changes, batched = FAMILIES[family]
    loaded = tiny.loaded(family, tokenizer, **changes)
    decoder = Decoder(loaded)
    assert decoder.batched == batched
    asked = requests(tokenizer, constrained=constrained)
    together = decoder.generate(asked, max_new_tokens=LIMIT, batch_size=3)
    assert together == one_by_one(loaded, asked)
    assert all(one.constrained == constrained for one in together)
    # An answer that was closed early has no counterpart in generate.
    pairs = zip(together, reference(loaded, asked), strict=True)
    assert all(ours.raw == plain for ours, plain in pairs if not ours.cut_repaired)


@pytest.mark.parametrize("constrained", [True, False])
def test_two_hundred_texts_are_answered_exactly(gemma: LoadedModel, constrained: bool) -> None:
    asked = requests(gemma.tokenizer, many_texts(200), constrained=constrained)
    decoder, plain = Decoder(gemma), Decoder(gemma, drafts=False)
    together = decoder.generate(asked, max_new_tokens=7, batch_size=16)
    assert together == [plain.generate([r], max_new_tokens=7)[0] for r in asked]


def test_constrained_answers_are_valid_grounded_and_in_order(gemma: LoadedModel) -> None:
    texts = ["", '"', "가", *many_texts(60), "줄\n바꿈\n글"]
    asked = requests(gemma.tokenizer, texts)
    for text, one in zip(texts, Decoder(gemma).generate(asked, max_new_tokens=9), strict=True):
        words, valid = parse_answer(one.raw)
        assert valid and all(word in text for word in words)
        assert one.new_tokens <= 9
        assert one.cut_repaired or not one.truncated


def test_a_byte_level_vocabulary_may_cut_a_letter_in_two() -> None:
    loaded = tiny.loaded("llama", tiny.byte_tokenizer())
    asked = requests(loaded.tokenizer, many_texts(40))
    for limit in (1, 2, 3, 5, 8):
        ended = Decoder(loaded).generate(asked, max_new_tokens=limit)
        for request, one in zip(asked, ended, strict=True):
            words, valid = parse_answer(one.raw)
            assert valid and all(word in request.text for word in words)


def test_the_token_limit_closes_the_array_at_a_whole_keyword(gemma: LoadedModel) -> None:
    asked = requests(gemma.tokenizer, many_texts(40))
    whole = Decoder(gemma).generate(asked, max_new_tokens=60)
    for limit in (1, 3, 6):
        for short, long in zip(
            Decoder(gemma).generate(asked, max_new_tokens=limit), whole, strict=True
        ):
            assert short.truncated == (long.new_tokens > limit) == short.cut_repaired
            first, every = parse_answer(short.raw)[0], parse_answer(long.raw)[0]
            assert every[: len(first)] == first


def test_a_free_answer_that_is_cut_off_stays_as_it_is(gemma: LoadedModel) -> None:
    asked = requests(gemma.tokenizer, constrained=False, stop_ids=())
    for one in Decoder(gemma).generate(asked, max_new_tokens=5):
        assert one.truncated and not one.cut_repaired and one.new_tokens == 5


def test_a_free_answer_ends_before_a_stop_string(gemma: LoadedModel) -> None:
    asked = requests(gemma.tokenizer, constrained=False, stop_ids=())
    whole = Decoder(gemma).generate(asked, max_new_tokens=30)
    stop = whole[0].raw[4:6]
    asked = requests(gemma.tokenizer, constrained=False, stop_ids=(), stop=(stop,))
    ended = Decoder(gemma).generate(asked, max_new_tokens=30)
    assert [one.raw for one in ended] == [one.raw.split(stop)[0] for one in whole]
    assert not ended[0].truncated and ended[0].new_tokens < 30


def test_allowed_surfaces_can_be_answered(gemma: LoadedModel) -> None:
    asked = [
        Request(r.prompt_ids, "", ("붙이는 약", '큰"약'))
        for r in requests(gemma.tokenizer, ["가"] * 3)
    ]
    for one in Decoder(gemma).generate(asked, max_new_tokens=60):
        words, valid = parse_answer(one.raw)
        assert valid and set(words) <= {"붙이는 약", '큰"약'}


def forgetful(tokenizer: Any, step: int = 0) -> LoadedModel:
    """A model whose next token is the last one (nearly always), or the one `step` ids further."""
    loaded: LoadedModel = tiny.loaded("gemma3_text", tokenizer)
    for layer in loaded.model.model.layers:
        layer.post_attention_layernorm.weight.data.fill_(-1)
        layer.post_feedforward_layernorm.weight.data.fill_(-1)
    rows = loaded.model.lm_head.weight.data.roll(step, dims=0)
    loaded.model.lm_head.weight = torch.nn.Parameter(rows)
    return loaded


def passes(decoder: Decoder, loaded: LoadedModel, asked: Sequence[Request]) -> int:
    """Forward passes that the answers take."""
    count = [0]

    def add(*_args: Any) -> None:
        count[0] += 1

    hook = loaded.model.register_forward_hook(add)
    decoder.generate(asked, max_new_tokens=24)
    hook.remove()
    return count[0]


def test_what_the_prompt_foretells_takes_fewer_passes_and_no_other_tokens(tokenizer: Any) -> None:
    loaded = forgetful(tokenizer, step=1)
    plain, drafting = Decoder(loaded, drafts=False), Decoder(loaded)
    foretold = [Request([*range(n, n + 40), n], "", constrained=False) for n in (290, 380, 330)]
    ours = drafting.generate(foretold, max_new_tokens=24)
    assert ours == plain.generate(foretold, max_new_tokens=24)
    assert ours[0].raw == tokenizer.decode(list(range(291, 315)))
    assert passes(drafting, loaded, foretold) < 0.5 * passes(plain, loaded, foretold)


@pytest.mark.parametrize("constrained", [True, False])
def test_drafts_change_no_answer(gemma: LoadedModel, constrained: bool) -> None:
    asked = requests(gemma.tokenizer, many_texts(30), constrained=constrained)
    plain, drafting = Decoder(gemma, drafts=False), Decoder(gemma)
    for size in (1, 8):
        ours = drafting.generate(asked, max_new_tokens=8, batch_size=size)
        assert ours == plain.generate(asked, max_new_tokens=8, batch_size=size)


def test_a_model_in_a_loop_is_stopped(tokenizer: Any) -> None:
    loaded = forgetful(tokenizer)
    ended = Decoder(loaded).generate(requests(tokenizer, many_texts(30)), max_new_tokens=200)
    looping = [one for one in ended if one.cut_repaired and not one.truncated]
    assert looping and all(one.new_tokens < 100 for one in looping)
    assert all(parse_answer(one.raw)[1] for one in ended)


def test_no_grammar_for_the_tokenizer_means_a_free_answer(tokenizer: Any) -> None:
    from transformers import ByT5Tokenizer

    own = ByT5Tokenizer()
    loaded = tiny.loaded("llama", own)
    asked = [Request([3, *own.encode(t)], t, stop_ids=(1,)) for t in tiny.TEXTS]
    decoder = Decoder(loaded)
    assert decoder.grammar_refused
    together = decoder.generate(asked, max_new_tokens=LIMIT, batch_size=4)
    assert together == one_by_one(loaded, asked)
    assert not any(one.constrained for one in together)


def test_the_shared_head_is_kept_between_calls(gemma: LoadedModel) -> None:
    decoder, asked = Decoder(gemma), requests(gemma.tokenizer, many_texts(30))
    other = [Request([2, *r.prompt_ids[9:]], r.text, stop_ids=(1,)) for r in asked[:4]]
    for some in (asked[:10], asked[10:11], other, other[:1], asked[11:], asked[:1] * 3, []):
        assert decoder.generate(some, max_new_tokens=8) == one_by_one(gemma, some, 8)


def test_a_prompt_of_one_token(gemma: LoadedModel) -> None:
    asked = [Request([2], "진통과 해열"), Request([2, 30], "진통"), Request([2], "해열")]
    assert Decoder(gemma).generate(asked, max_new_tokens=8) == one_by_one(gemma, asked, 8)


def test_long_texts_take_fewer_rows_and_answer_the_same(gemma: LoadedModel) -> None:
    texts = [*many_texts(10), " ".join(tiny.TEXTS * 6), "파스", " ".join(tiny.TEXTS * 3)]
    asked = requests(gemma.tokenizer, texts)
    bounded = Decoder(gemma, max_batch_tokens=600)
    answers = bounded.generate(asked, max_new_tokens=12)
    assert answers == one_by_one(gemma, asked, 12)


def test_a_special_token_without_embedding_is_read_as_unknown(gemma: LoadedModel) -> None:
    request = requests(gemma.tokenizer)[0]
    beyond = Request([*request.prompt_ids, 99_999], request.text)
    unknown = Request([*request.prompt_ids, gemma.tokenizer.unk_token_id], request.text)
    first, second = Decoder(gemma).generate([beyond, unknown], max_new_tokens=8)
    assert first == second


def test_progress_counts_every_text_once(gemma: LoadedModel) -> None:
    heard: list[tuple[int, int]] = []
    asked = requests(gemma.tokenizer, many_texts(20))
    Decoder(gemma).generate(
        asked, max_new_tokens=6, batch_size=4, on_progress=lambda *n: heard.append(n)
    )
    assert heard == [(n, 20) for n in range(1, 21)]


def test_a_cancelled_batch_ends_at_the_next_step(gemma: LoadedModel) -> None:
    asked = requests(gemma.tokenizer, many_texts(50), constrained=False, stop_ids=())
    decoder, calls = Decoder(gemma), iter(range(1000))
    began = time.monotonic()
    with pytest.raises(Cancelled):
        decoder.generate(asked, max_new_tokens=1000, cancelled=lambda: next(calls) >= 5)
    assert next(calls) == 6 and time.monotonic() - began < 10
    assert decoder.generate(asked[:1], max_new_tokens=4) == one_by_one(gemma, asked[:1], 4)


def short_of_memory(model: Any, rows: int) -> Callable[[], None]:
    """Let `model` run out of memory with more than `rows` rows; the result undoes it."""

    def check(_module: Any, _args: Any, kwargs: dict[str, Any]) -> None:
        if kwargs["input_ids"].shape[0] > rows:
            raise torch.OutOfMemoryError("CUDA out of memory")

    undo: Callable[[], None] = model.register_forward_pre_hook(check, with_kwargs=True).remove
    return undo


def test_out_of_memory_halves_the_batch_and_goes_on(gemma: LoadedModel) -> None:
    asked = requests(gemma.tokenizer, many_texts(30))
    plain, decoder = one_by_one(gemma, asked, 8), Decoder(gemma)
    undo = short_of_memory(gemma.model, 3)
    try:
        assert decoder.generate(asked, max_new_tokens=8) == plain
    finally:
        undo()


def test_one_text_that_does_not_fit_is_a_sentence(gemma: LoadedModel) -> None:
    decoder, undo = Decoder(gemma), short_of_memory(gemma.model, 0)
    try:
        with pytest.raises(FailedError, match="Out of memory with one text at a time"):
            decoder.generate(requests(gemma.tokenizer), max_new_tokens=8)
    finally:
        undo()


@pytest.mark.parametrize(
    ("template", "name"),
    [(None, "plain"), (tiny.CHAT, "chat"), (NO_SYSTEM + tiny.CHAT, "chat, system folded")],
)
def test_base_models_and_chats_without_a_system_role_answer(
    tmp_path: Path, template: str | None, name: str
) -> None:
    tokenizer = tiny.sentencepiece_tokenizer(tmp_path)
    tokenizer.chat_template = template
    loaded, asked = tiny.loaded("gemma3_text", tokenizer), []
    for text in tiny.TEXTS:
        rendered = render(
            tokenizer,
            [
                {"role": "system", "content": "키워드를 찾으세요."},
                {"role": "user", "content": text},
            ],
        )
        assert rendered.template == name
        stop = tuple(stop_ids(tokenizer, rendered))
        asked.append(Request(encode(tokenizer, rendered), text, stop_ids=stop))
    answers = Decoder(loaded).generate(asked, max_new_tokens=LIMIT)
    assert answers == one_by_one(loaded, asked)
    assert all(parse_answer(one.raw)[1] for one in answers)
