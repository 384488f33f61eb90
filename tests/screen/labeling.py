"""A small corpus to label, and what a test reads of it from another connection."""

from __future__ import annotations

from collections.abc import Sequence

from engines.corpus.store import Corpus
from engines.records import Example, Keyword
from engines.workspace import Workspace
from kwtui.panes.dataset import DatasetPane
from kwtui.panes.dataset_label import LabelView
from kwtui.panes.dataset_view import DatasetView
from tests.screen.conftest import Stage

TEXTS = (
    "진통과 해열 효과가 있는 파스형 의약품은 임산부와 노인에게 적합합니다.",
    "두통이 심하면 타이레놀을 드세요.",
    "오늘은 날씨가 맑습니다.",
    "연고를 바르면 발진이 가라앉습니다.",
    "임산부는 이 시럽을 피하세요.",
    "소화제와 제산제를 함께 드세요.",
)
ME = "me"


def fill(space: Workspace, texts: Sequence[str] = TEXTS) -> None:
    """Texts without labels, and a name for whoever labels them."""
    with space.config.open("a", encoding="utf-8") as config:
        config.write(
            f'\n[curation]\nannotator = "{ME}"\ngoal = 100\noverlap = 0.0\ndaily_copies = 0\n'
        )
    with Corpus.open(space.corpus_path, create=True) as corpus:
        corpus.use_overlap(0.0)
        corpus.add(Example(f"t{n}", text, labeled=False) for n, text in enumerate(texts, 1))


def labels(space: Workspace, text_id: str, annotator: str = ME) -> tuple[str, list[str]]:
    """Status and surfaces of a labeling as they are on disk; ("", []) without one."""
    with Corpus.open(space.corpus_path, readonly=True) as corpus:
        found = corpus.labelings(text_id).get(annotator)
    return (found.status, [k.surface for k in found.keywords]) if found else ("", [])


def disagree(space: Workspace) -> None:
    """Two people who label four texts, and differ on two of them."""
    said = {
        "t1": (["진통", "해열"], ["진통", "파스"]),
        "t2": (["두통", "타이레놀"], ["두통", "타이레놀"]),
        "t4": (["연고", "발진"], ["연고"]),
        "t5": (["임산부", "시럽"], ["임산부", "시럽"]),
    }
    with Corpus.open(space.corpus_path) as corpus:
        corpus.use_overlap(1.0)
        for name, sides in said.items():
            text = TEXTS[int(name[1:]) - 1]
            for who, surfaces in zip(("kim", "lee"), sides, strict=True):
                spans = [(text.index(word), word) for word in surfaces]
                corpus.set_labels(name, who, [Keyword(a, a + len(w), w) for a, w in spans])


async def open_pane(stage: Stage) -> LabelView:
    """The dataset pane with the labeling view, candidates there."""
    await stage.idle()
    await stage.press("f4")
    await stage.until(lambda: isinstance(view(stage), LabelView))
    await stage.idle()
    found = view(stage)
    assert isinstance(found, LabelView)
    return found


def view(stage: Stage) -> DatasetView | None:
    pane = stage.app.pane
    return pane.view if isinstance(pane, DatasetPane) else None
