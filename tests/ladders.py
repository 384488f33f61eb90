"""A small ladder as it lies in a workspace: three strategies on dev and on test."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from engines.corpus.store import Corpus
from engines.evaluation.measured import curve_file
from engines.evaluation.metrics import Counts, score
from engines.evaluation.results import Delta, LadderResult, RungResult
from engines.evaluation.significance import f1_difference, f1_interval, holm
from engines.records import Example, Prediction, ground
from engines.workspace import Workspace

# id: split, text, gold, then what dictionary, prompt and rag answer.
Row = tuple[str, str, list[str], list[str], list[str], list[str]]
NAMES = ("dictionary", "prompt", "rag")
TEXTS: dict[str, Row] = {
    "d1": (
        "dev",
        "진통과 해열 효과가 있는 파스형 의약품은 임산부와 노인에게 적합합니다.",
        ["진통", "해열", "파스", "임산부", "노인"],
        ["진통", "해열", "파스"],
        ["진통", "해열", "파스형", "의약품", "임산부"],
        ["진통", "해열", "파스", "임산부", "노인"],
    ),
    "d2": ("dev", "두통이 심하면 타이레놀을 드세요.", ["두통", "타이레놀"], [], ["두통"], ["두통"]),
    "d3": ("dev", "오늘은 날씨가 맑습니다.", [], [], [], ["날씨"]),
    "d4": ("dev", "연고를 바르면 발진이 가라앉습니다.", ["연고", "발진"], ["연고"], ["연고를"], []),
    "d5": (
        "dev",
        "임산부는 이 시럽을 피하세요.",
        ["임산부", "시럽"],
        [],
        ["시럽"],
        ["임산부", "시럽"],
    ),
    "d6": ("dev", "알레르기 비염 환자", ["알레르기 비염"], [], ["비염"], ["알레르기 비염"]),
    "t1": (
        "test",
        "소화제와 제산제를 함께 드세요.",
        ["소화제", "제산제"],
        [],
        ["소화제"],
        ["소화제"],
    ),
    "t2": ("test", "소염 작용이 있는 정제", ["소염", "정제"], [], ["소염"], ["소염", "정제"]),
    "t3": ("test", "항생제 복용 후 설사", ["항생제", "설사"], [], ["항생제"], ["항생제", "설사"]),
}
TRAIN = {
    "r1": ("진통 효과가 있는 연고", ["진통", "연고"]),
    "r2": ("임산부와 두통", ["임산부", "두통"]),
}


# A fitted curve and the ends of its interval: a - b n^-0.38.
FIT = ((0.9, 2.2), (0.87, 2.4), (0.93, 2.0))


def fill(space: Workspace, texts: Mapping[str, Row] = TEXTS) -> None:
    """The texts with their labels, a ladder of each split, and a name for whoever works."""
    with space.config.open("a", encoding="utf-8") as config:
        config.write('\n[curation]\nannotator = "me"\noverlap = 0.0\ndaily_copies = 0\n')
    held = [Example(i, r[1], ground(r[1], r[2])[0], split=r[0]) for i, r in texts.items()]
    train = [Example(i, t, ground(t, words)[0], split="train") for i, (t, words) in TRAIN.items()]
    with Corpus.open(space.corpus_path, create=True) as corpus:
        corpus.add([*held, *train], source="notes")
    for split in sorted({row[0] for row in texts.values()}):
        some = [example for example in held if example.split == split]
        answers = {
            name: [_answer(e, texts[e.id][3 + n], name) for e in some]
            for n, name in enumerate(NAMES)
        }
        write(space, split, some, answers)


def write_curve(space: Workspace, split: str = "dev") -> None:
    """A learning curve as the ladder leaves it."""
    sizes = {100: 0.50, 250: 0.62, 500: 0.70, 1000: 0.76}
    points = [{"examples": n, "f1": f, "low": f - 0.02, "high": f + 0.02} for n, f in sizes.items()]
    fit = [[n, *(a - b * n**-0.38 for a, b in FIT)] for n in range(100, 6000, 200)]
    values = {"strategy": "lora", "points": points, "fit": fit, "words": "2,000 more: +4.1 points"}
    path = curve_file(space, split)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values), encoding="utf-8")


def _answer(example: Example, words: Sequence[str], name: str) -> Prediction:
    found, absent = ground(example.text, words)
    return Prediction(example.id, example.text, found, name, _model(name), ungrounded=absent)


def _model(name: str) -> str:
    return "" if name == "dictionary" else "kw-mini"


def write(
    space: Workspace,
    split: str,
    examples: Sequence[Example],
    answers: Mapping[str, Sequence[Prediction]],
    **more: object,
) -> LadderResult:
    """Write predictions and their result as the ladder does; `more` replaces fields of it."""
    cache = space.reports / "ladder" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    rows: list[RungResult] = []
    counts = {name: score(examples, found).per_text for name, found in answers.items()}
    for number, (name, found) in enumerate(answers.items()):
        path = cache / f"{name}-{split}.jsonl"
        lines = (json.dumps(one.to_json(), ensure_ascii=False) + "\n" for one in found)
        path.write_text("".join(lines), encoding="utf-8")
        below = rows[-1].strategy if rows else ""
        rows.append(_rung(space, split, number, name, examples, found, path, below, counts))
    values: dict[str, object] = {
        "advice": ("rag is the rung to stand on.", "Your glossary lacks 2 terms."),
        "versions": {"kwtui": "0.1.0", "python": "3.11"},
        "commands": (f"kwtui ladder --split {split}",),
        "test_uses": 2,
        "created": "2026-11-25T15:00:00+00:00",
        **more,
    }
    result = LadderResult(split=split, texts=len(examples), rows=tuple(rows), **values)  # type: ignore[arg-type]
    target = space.reports / "ladder" / f"{split}.json"
    target.write_text(json.dumps(result.to_json(), ensure_ascii=False), encoding="utf-8")
    return result


def _rung(
    space: Workspace,
    split: str,
    number: int,
    name: str,
    examples: Sequence[Example],
    found: Sequence[Prediction],
    path: Path,
    below: str,
    counts: Mapping[str, Sequence[Counts]],
) -> RungResult:
    scores = score(examples, found, seen={word for _t, words in TRAIN.values() for word in words})
    interval = f1_interval(scores.per_text, samples=500)
    delta = None
    if below:
        gain = f1_difference(counts[below], scores.per_text, samples=500)
        p = holm({name: gain.p_value})[name]
        ends = (gain.interval.low, gain.interval.high)
        delta = Delta(below, gain.value, *ends, gain.p_value, p)
    return RungResult(
        strategy=name,
        rung=number,
        label=name,
        model=_model(name),
        split=split,
        texts=len(examples),
        scores=scores,
        f1_low=interval.low,
        f1_high=interval.high,
        delta=delta,
        texts_per_second=200.0 / 10**number,
        latency_p50=0.005 * 10**number,
        latency_p95=0.009 * 10**number,
        peak_bytes=(300 + 400 * number) << 20,
        gpu_peak_bytes=None,
        training_seconds=0.0,
        gpu_hours=0.0,
        labeled_examples=0,
        epochs=0.0,
        prompt_tokens=60.0 * number,
        effort=min(5, number + 1),
        seeds=1,
        key=f"{name}-{split}",
        predictions=str(path.relative_to(space.root)),
        stale=False,
        note="",
    )
