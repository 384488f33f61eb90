"""The CRF as a strategy: trained from the train split, again only when its labels have changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from engines.corpus.store import Corpus
from engines.extraction.learned import learned_crf, training_examples
from engines.extraction.opening import Opener
from engines.records import Example, Keyword, ground
from engines.settings import Settings, StrategySettings, load
from engines.workspace import Workspace
from glossary.errors import UserError

FORMS = ["파스", "시럽", "연고", "정제"]
GROUPS = ["노인", "임산부", "영아", "환아"]


def fill(space: Workspace) -> None:
    rows = [
        Example(f"{f}-{g}", text, ground(text, [f, g])[0], "train")
        for f in FORMS
        for g in GROUPS
        for text in [f"{f}형 약은 {g}에게 쓴다."]
    ]
    rows.append(Example("held", "좌약형 약은 소아에게 쓴다.", (), "test"))
    with Corpus.open(space.corpus_path, create=True) as corpus:
        corpus.add(rows)


def made(space: Workspace) -> list[Path]:
    return sorted((space.models / "crf").glob("*.crf"))


def test_it_learns_from_training_texts_and_again_only_when_they_change(
    workspace: Workspace,
) -> None:
    fill(workspace)
    model, note = learned_crf(workspace, "crf")
    assert "16 labeled texts" in note
    assert [k.surface for k in model.keywords("캡슐형 약은 소아에게 쓴다.")] == ["캡슐", "소아"]
    before = made(workspace)
    assert learned_crf(workspace, "crf")[1] == ""
    with Corpus.open(workspace.corpus_path) as corpus:
        corpus.set_labels("held", "ann", [Keyword(0, 2, "좌약")])
        assert learned_crf(workspace, "crf")[1] == ""
        corpus.set_labels("파스-노인", "ann", [Keyword(0, 2, "파스")])
    assert learned_crf(workspace, "crf")[1] != ""
    assert len(made(workspace)) == 1
    assert made(workspace) != before


def test_before_a_split_all_labels_count(workspace: Workspace) -> None:
    with Corpus.open(workspace.corpus_path, create=True) as corpus:
        corpus.add([Example("a", "파스", ground("파스", ["파스"])[0]), Example("b", "글", ())])
        corpus.add([Example("c", "시험", (), "test")])
        assert [e.id for e in training_examples(corpus)] == ["a", "b"]


def test_it_is_a_strategy_of_the_settings(workspace: Workspace) -> None:
    fill(workspace)
    settings = load(workspace.root)
    opener = Opener(settings, workspace)
    extractor = opener.extractor("crf")
    (found,) = extractor.extract(["캡슐형 약은 소아에게 쓴다."])
    assert ([k.surface for k in found.keywords], found.strategy) == (["캡슐", "소아"], "crf")
    assert opener.notes
    settings.strategies["mine"] = StrategySettings(kind="crf", exclude=["소아"])
    (found,) = Opener(settings, workspace).extractor("mine").extract(["캡슐형 약은 소아에게 쓴다."])
    assert [k.surface for k in found.keywords] == ["캡슐"]


def test_without_labels_it_says_what_to_do(workspace: Workspace) -> None:
    settings = Settings(strategies={"crf": StrategySettings(kind="crf")})
    for space in (None, workspace):
        with pytest.raises(UserError, match="kwtui data import"):
            Opener(settings, space).extractor("crf")
    with Corpus.open(workspace.corpus_path, create=True) as corpus:
        corpus.add([Example("a", "파스", labeled=False)])
    with pytest.raises(UserError, match="label some"):
        Opener(settings, workspace).extractor("crf")
