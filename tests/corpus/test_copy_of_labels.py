"""A corpus in which somebody labels is copied whole, and its copy is found sound."""

from pathlib import Path

from engines.corpus.backup import backup
from engines.corpus.store import Corpus
from engines.records import Example


def test_a_corpus_with_changes_to_undo_is_copied(tmp_path: Path) -> None:
    source, target = tmp_path / "corpus.sqlite", tmp_path / "copy.sqlite"
    with Corpus.open(source, create=True) as corpus:
        corpus.add([Example("a", "글 하나", labeled=False)])
        corpus.set_labels("a", "me", [])
        backup(source, target)
        corpus.undo("me")
    with Corpus.open(target) as copy:
        assert copy.labelings("a")["me"].status == "labeled"
        assert copy.undo("me") is not None
