"""Whether an exported file is the model: the same tokens, the same keywords, and what it costs.

Tokens of a thousand texts are compared with those of transformers. A hundred texts are then asked
of both, greedily and held to the text; float32 must give the same keywords, a smaller type is
measured by its F1.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engines.evaluation.metrics import score
from engines.export.llamacpp import LlamaCpp, Method
from engines.export.ties import NEAR, Judge
from engines.records import Example, Prediction, ground
from glossary.errors import FailedError, UserError
from glossary.i18n import _

if TYPE_CHECKING:
    from engines.extraction.decoding import Decoded, Request
    from engines.models.loading import LoadedModel
    from engines.settings import Settings, StrategySettings

TOKEN_TEXTS = 1000
KEYWORD_TEXTS = 100
# What the answer of a text may be long at most.
_CONTEXT = 4096

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Proof:
    """What was compared, and what came out.

    `same_tokens` of `token_texts` texts have the tokens of transformers, `same_keywords` of
    `keyword_texts` the same keywords; `ties` more (float32 only) part where the model's two best
    tokens are within `ties.NEAR`. `f1` and `f1_model` are micro F1 against `against`: "gold"
    (labels) or "model" (the keywords of the full model, where nothing is labeled). `method` is
    how llama.cpp was held to the text. Texts a second, and bytes of the file.
    """

    type: str
    token_texts: int
    same_tokens: int
    keyword_texts: int
    same_keywords: int
    ties: int
    f1: float
    f1_model: float
    against: str
    method: Method
    texts_per_second: float
    size: int
    first_difference: str = ""

    @property
    def difference(self) -> float:
        """F1 that the file loses (below zero) or gains against the model."""
        return self.f1 - self.f1_model

    @property
    def holds(self) -> bool:
        """All tokens are the same, and in float32 all keywords too, but for ties."""
        tokens = self.same_tokens == self.token_texts
        return tokens and (
            self.type != "f32" or self.same_keywords + self.ties == self.keyword_texts
        )

    def to_json(self) -> dict[str, Any]:
        """The fields, the difference and the verdict as a JSON object."""
        return {**asdict(self), "difference": round(self.difference, 6), "holds": self.holds}


class Prover:
    """Compares exported files with one loaded model; what the model says is asked once."""

    def __init__(
        self,
        loaded: LoadedModel,
        strategy: StrategySettings,
        settings: Settings,
        texts: Sequence[str],
        examples: Sequence[Example],
        *,
        prompts: Path | None = None,
    ) -> None:
        self._loaded = loaded
        self._strategy = strategy
        self._texts = list(texts[:TOKEN_TEXTS])
        self._examples = list(examples[:KEYWORD_TEXTS])
        self._requests = requests_for(loaded, strategy, settings, self._examples, prompts)
        self._answers: list[Decoded] | None = None

    def prove(
        self, path: Path, kind: str, *, on_progress: Progress | None = None, threads: int = 0
    ) -> Proof:
        """Run `path` in llama.cpp and compare; FailedError when it cannot be run there."""
        limit = self._strategy.max_new_tokens
        longest = max((len(r.prompt_ids) for r in self._requests), default=0)
        context = max(longest + limit, max(map(len, self._texts), default=0) * 4, 256)
        expected = self._expected(on_progress)
        with LlamaCpp(path, context=min(context, 2 * _CONTEXT), threads=threads) as llama:
            same, first = self._tokens(llama, on_progress)
            started = time.perf_counter()
            answered = llama.generate(
                self._requests, max_new_tokens=limit, on_progress=_stage("keywords", on_progress)
            )
            seconds = time.perf_counter() - started
            method = llama.method()
        pairs = list(zip(self._requests, answered, strict=True))
        theirs = [_words(request, answer) for request, (answer, _tokens) in pairs]
        ours = [_words(r, a) for r, a in zip(self._requests, expected, strict=True)]
        f1, f1_model, against = self._scores(ours, theirs)
        return Proof(
            type=kind,
            token_texts=len(self._texts),
            same_tokens=same,
            keyword_texts=len(ours),
            same_keywords=sum(a == b for a, b in zip(ours, theirs, strict=True)),
            ties=self._ties(kind, ours, theirs, [tokens for _answer, tokens in answered]),
            f1=f1,
            f1_model=f1_model,
            against=against,
            method=method,
            texts_per_second=round(len(answered) / seconds, 2) if answered else 0.0,
            size=path.stat().st_size,
            first_difference=first or _difference(self._examples, ours, theirs),
        )

    def _expected(self, on_progress: Progress | None) -> list[Decoded]:
        if self._answers is None:
            from engines.extraction.decoding import Decoder

            self._answers = Decoder(self._loaded).generate(
                self._requests,
                max_new_tokens=self._strategy.max_new_tokens,
                batch_size=self._strategy.batch_size,
                on_progress=_stage("model", on_progress),
            )
        return self._answers

    def _tokens(self, llama: LlamaCpp, on_progress: Progress | None) -> tuple[int, str]:
        """How many texts have the same tokens, and the first that has not."""
        same, first = 0, ""
        report = _stage("tokens", on_progress)
        for done, text in enumerate(self._texts, start=1):
            wanted = list(self._loaded.tokenizer(text, add_special_tokens=False)["input_ids"])
            given = llama.tokens(text)
            if wanted == given:
                same += 1
            elif not first:
                first = _first_token(self._loaded.tokenizer, text, wanted, given)
            if report is not None:
                report(done, len(self._texts))
        return same, first

    def _ties(
        self,
        kind: str,
        ours: list[list[str]],
        theirs: list[list[str]],
        tokens: list[list[int]],
    ) -> int:
        if kind != "f32" or ours == theirs:
            return 0
        judge = Judge(self._loaded)
        gaps = [
            judge.gap(self._requests[n], tokens[n])
            for n in range(len(ours))
            if ours[n] != theirs[n]
        ]
        return sum(gap <= NEAR for gap in gaps)

    def _scores(self, ours: list[list[str]], theirs: list[list[str]]) -> tuple[float, float, str]:
        labeled = any(example.keywords for example in self._examples)
        gold = self._examples if labeled else _examples(self._examples, ours)
        of_model = score(gold, _predictions(self._examples, ours)).f1
        of_file = score(gold, _predictions(self._examples, theirs)).f1
        return of_file, of_model, "gold" if labeled else "model"


def requests_for(
    loaded: LoadedModel,
    strategy: StrategySettings,
    settings: Settings,
    examples: Sequence[Example],
    prompts: Path | None = None,
) -> list[Request]:
    """The exact prompts of a strategy for texts, without glossary and similar cases.

    Texts whose prompt and answer would not fit into the model's context are left out.
    """
    from engines.extraction.asking import Asker
    from engines.extraction.backend import LocalBackend
    from engines.extraction.decoding import Request
    from engines.models.chat import encode, stop_ids

    if strategy.kind != "model":
        raise UserError(_("A proof needs a strategy that asks a model."))
    plain = strategy.model_copy(
        update={"glossary": False, "shots": 0, "cases": [], "passes": "single"}
    )
    backend = LocalBackend(loaded, settings.plain_template)
    asker = Asker(plain, backend, prompts=prompts)
    requests = []
    for example in examples:
        question = asker.questions(example.text)[0]
        rendered = asker.rendered(question)
        ids, stop = encode(loaded.tokenizer, rendered), stop_ids(loaded.tokenizer, rendered)
        requests.append(Request(ids, question.passage.text, (), plain.constrained, tuple(stop)))
    return requests


def require(proof: Proof, path: Path) -> None:
    """FailedError when the file at `path` is not the model; the file stays for a look."""
    if proof.holds:
        return
    if proof.same_tokens != proof.token_texts:
        message = _(
            "{path} is not the model: llama.cpp makes other tokens of {count} of {total} texts. "
            "First: {first}"
        )
        count, total = proof.token_texts - proof.same_tokens, proof.token_texts
    else:
        message = _(
            "{path} is not the model: {count} of {total} texts have other keywords. First: {first}"
        )
        count, total = proof.keyword_texts - proof.same_keywords, proof.keyword_texts
    raise FailedError(
        message.format(path=path, count=count, total=total, first=proof.first_difference)
    )


def _stage(name: str, on_progress: Progress | None) -> Callable[[int, int], None] | None:
    if on_progress is None:
        return None
    return lambda done, total: on_progress(name, done, total)


def _words(request: Request, decoded: Decoded) -> list[str]:
    """The keywords of an answer that stand in the text, in its order."""
    from engines.extraction.grammar import before_loop, parse_answer

    # llama.cpp goes on where our decoder has stopped a model that only repeats itself.
    raw = (before_loop(decoded.raw) if request.constrained else None) or decoded.raw
    words, _valid = parse_answer(raw)
    return [keyword.surface for keyword in ground(request.text, words)[0]]


def _examples(examples: Sequence[Example], words: Sequence[Sequence[str]]) -> list[Example]:
    return [
        Example(e.id, e.text, ground(e.text, found)[0], e.split)
        for e, found in zip(examples, words, strict=True)
    ]


def _predictions(examples: Sequence[Example], words: Sequence[Sequence[str]]) -> list[Prediction]:
    return [
        Prediction(e.id, e.text, ground(e.text, found)[0], "", "")
        for e, found in zip(examples, words, strict=True)
    ]


def _difference(examples: Sequence[Example], ours: list[list[str]], theirs: list[list[str]]) -> str:
    for example, one, other in zip(examples, ours, theirs, strict=True):
        if one != other:
            return f"{example.text[:80]}: {one} / {other}"
    return ""


def _first_token(tokenizer: Any, text: str, wanted: list[int], given: list[int]) -> str:
    pairs = enumerate(zip(wanted, given, strict=False))
    at = next((n for n, (a, b) in pairs if a != b), min(len(wanted), len(given)))
    around = slice(max(0, at - 2), at + 4)
    one, other = (tokenizer.convert_ids_to_tokens(ids[around]) for ids in (wanted, given))
    return f"{text[:80]}: {one} / {other}"
