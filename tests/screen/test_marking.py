"""What a person says about a prediction, and where it is kept."""

from pathlib import Path

import pytest

from engines.corpus.corrections import save_correction
from engines.corpus.store import Corpus
from engines.notes import keep_notes
from engines.records import FeedbackNote, Keyword, Prediction
from engines.settings import load
from engines.workspace import Workspace
from glossary.errors import FailedError, UserError
from kwtui.panes.marking import Marking

TEXT = "약은 약사에게, 파스는 약국에서"


def marking() -> Marking:
    found = (Keyword(0, 1, "약"), Keyword(9, 11, "파스", term_id="t1"))
    return Marking(Prediction("1", TEXT, found, "tiny", "kw"))


def test_marks_change_what_is_corrected_and_what_the_model_is_told() -> None:
    made = marking()
    made.toggle(made.rows()[0])
    made.add_missed("약사")
    assert made.refuse_missed("약사")
    assert made.refuse_missed("병원")
    assert made.refuse_missed(" ")
    assert [k.surface for k in made.corrected()] == ["약사", "파스"]
    assert (made.missed_words(), made.wrong_words()) == (["약사"], ["약"])
    assert made.notes("ko") == ["'약사' 키워드입니다.", "'약' 키워드가 아닙니다."]
    assert made.notes("en") == ["'약사' is a keyword.", "'약' is not a keyword."]
    made.toggle(made.rows()[0])
    made.toggle(made.rows()[1])
    assert not made.touched
    assert [row.origin for row in made.rows()] == ["model", "model, in glossary"]


def test_the_same_word_further_on_can_be_missed_too() -> None:
    made = marking()
    made.add_missed("약")
    made.add_missed("약", 3)
    made.add_missed("약", 3)
    assert [(k.start, k.end) for k in made.corrected()] == [(0, 1), (3, 4), (9, 11)]


def test_after_a_retry_only_the_marks_that_still_hold_are_left() -> None:
    made = marking()
    made.add_missed("약사")
    made.toggle(made.rows()[0])
    told = (FeedbackNote("person", "약사", "said"), FeedbackNote("person", "약", "said"))
    answer = (Keyword(3, 5, "약사"), Keyword(9, 11, "파스"))
    after = made.after_retry(Prediction("1", TEXT, answer, "tiny", "kw", feedback=told))
    assert not after.touched
    assert after.rows()[0].origin == "after your word"
    assert after.notes("ko") == ["'약사' 키워드입니다.", "'약' 키워드가 아닙니다."]


def test_a_word_that_the_model_does_not_take_is_still_what_the_person_said_it_is() -> None:
    made = marking()
    made.add_missed("약사")
    told = (FeedbackNote("person", "약사", "said"),)
    same = Prediction("1", TEXT, made.prediction.keywords, "tiny", "kw", feedback=told)
    assert made.after_retry(same).notes("ko") == ["'약사' 키워드입니다."]


def test_notes_go_into_the_config_and_leave_the_rest_alone(space: Workspace) -> None:
    before = space.config.read_text(encoding="utf-8")
    assert keep_notes(space, "tiny", ["'노인' 키워드입니다.", "a\n b"]) == [
        "'노인' 키워드입니다.",
        "a b",
    ]
    assert keep_notes(space, "tiny", ["a b"]) == []
    after = space.config.read_text(encoding="utf-8")
    assert load(space.root).strategies["tiny"].notes == ["'노인' 키워드입니다.", "a b"]
    assert [line for line in before.splitlines() if line not in after.splitlines()] == []
    # A strategy of the defaults gets a section of its own.
    keep_notes(space, "rag", ["n"])
    assert load(space.root).strategies["rag"].notes == ["n"]
    assert load(space.root).strategies["rag"].glossary
    assert sorted(p.name for p in space.root.glob("*config*")) == ["config.toml"]


def test_a_linked_config_stays_a_link_and_a_read_only_folder_is_a_sentence(
    space: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = tmp_path / "elsewhere.toml"
    space.config.rename(real)
    space.config.symlink_to(real)
    keep_notes(space, "tiny", ["n"])
    assert space.config.is_symlink()
    assert "notes" in real.read_text()
    with pytest.raises(UserError, match="no strategy"):
        keep_notes(space, "nothing", ["n"])

    def full(*_args: object, **_options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    before = real.read_bytes()
    with pytest.raises(FailedError, match="No space"):
        keep_notes(space, "tiny", ["m"])
    assert real.read_bytes() == before
    assert not list(tmp_path.glob(".config-*"))


def test_a_correction_finds_the_text_that_is_there(tmp_path: Path) -> None:
    path = tmp_path / "corpus.sqlite"
    first = save_correction(path, TEXT, [Keyword(9, 11, "파스")], annotator="kim")
    again = save_correction(path, TEXT, [], annotator="kim")
    assert (first.new, again.new, first.id == again.id) == (True, False, True)
    other = save_correction(path, TEXT, [Keyword(0, 1, "약")], annotator="lee")
    assert other.id == first.id
    with Corpus.open(path, readonly=True) as corpus:
        said = {name: len(one.keywords) for name, one in corpus.labelings(first.id).items()}
    assert said == {"kim": 0, "lee": 1}
    with pytest.raises(UserError, match="no text"):
        save_correction(path, " \n", [], annotator="kim")
