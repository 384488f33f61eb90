"""The report is one page that fetches nothing and runs nothing, whatever its texts hold."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as Xml
from html.parser import HTMLParser
from pathlib import Path

import pytest

from engines.corpus.moving import record_look
from engines.corpus.store import Corpus
from engines.evaluation.measured import mark_stale, measured_splits
from engines.evaluation.report import ReportData, gather, write_report
from engines.evaluation.report_svg import Line, Spot, bars, curves, forest, scatter
from engines.records import Example, Prediction, ground
from engines.workspace import Workspace
from glossary import i18n
from glossary.errors import FailedError, UserError
from kwtui.startup import CATALOGUES
from tests.conftest import Run
from tests.ladders import TEXTS, fill, write, write_curve

EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>'\"&|`$_{\\"
BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)


# What may stand in what: the page is simple enough to be checked as strictly as XML.
INSIDE = {
    "li": {"ul"},
    "tr": {"thead", "tbody"},
    "td": {"tr"},
    "th": {"tr"},
    "thead": {"table"},
    "tbody": {"table"},
    "summary": {"details"},
    "title": {"head", "svg"},
    "mark": {"p"},
    **{name: {"svg"} for name in ("rect", "line", "circle", "polyline", "polygon", "text")},
}


class Tags(HTMLParser):
    """Every tag with its attributes, and the letters outside of tags; fails on what is no page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.letters: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        assert len(dict(attrs)) == len(attrs)
        parent = self.open[-1] if self.open else ""
        assert parent in INSIDE.get(tag, {parent}), f"{tag} in {parent}"
        # A paragraph that holds a block would be closed early by a browser.
        assert parent != "p" or tag in ("mark",), f"{tag} in p"
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.letters.append(data)
        assert not data.strip() or self.open[-1] not in ("table", "thead", "tbody", "tr", "ul")


def parsed(page: str) -> Tags:
    assert page.startswith("<!doctype html>\n")
    tags = Tags()
    tags.feed(page)
    tags.close()
    assert tags.open == []
    titles = [name for name, _attrs in tags.tags if name in ("html", "head", "body", "h1")]
    assert titles == ["html", "head", "body", "h1"]
    for svg in re.findall(r"<svg.*?</svg>", page, re.DOTALL):
        Xml.fromstring(svg)
    return tags


def harmless(page: str) -> None:
    tags = parsed(page)
    names = {name for name, _attrs in tags.tags}
    assert not names & {"script", "img", "iframe", "object", "embed", "link", "form", "a", "base"}
    for _name, attrs in tags.tags:
        assert not [name for name in attrs if name.startswith("on")]
        assert not attrs.keys() & {"src", "href", "style", "xlink:href"}
    (policy,) = [a["content"] for _n, a in tags.tags if "http-equiv" in a]
    assert policy is not None
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert "http" not in page.replace("http-equiv", "")


def evil(space: Workspace) -> None:
    """A ladder whose text, label, strategy, model, advice and card are all markup."""
    fill(space, {"d1": TEXTS["d1"]})
    text = f"{EVIL} 진통 {EVIL}"
    example = Example("<b>id</b>", text, ground(text, [EVIL])[0], split="dev")
    with Corpus.open(space.corpus_path) as corpus:
        corpus.add([example], source="<i>source</i>")
    found, _absent = ground(text, ["진통"])
    answers = {
        "<u>one</u>": [
            Prediction(example.id, text, found, "a", "<u>model</u>", ungrounded=(EVIL,))
        ],
        "<u>two</u>": [Prediction(example.id, text, example.keywords, "b", "<u>model</u>")],
    }
    for number, name in enumerate([*answers]):
        answers[f"s{number}"] = answers.pop(name)
    write(space, "dev", [example], answers, advice=(EVIL,), gold_problems=(EVIL,))
    path = space.reports / "ladder" / "dev.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    for row in values["rows"]:
        row |= {"label": f"<u>{EVIL}</u>", "model": "card", "note": EVIL}
    values["versions"] = {EVIL: EVIL}
    values["commands"] = [f"```\n{EVIL}"]
    path.write_text(json.dumps(values), encoding="utf-8")
    for row in values["rows"]:
        made_of = {"strategy": {"kind": "model", "instruction": f"`````\n{EVIL}"}}
        about = space.reports / "ladder" / "cache" / f"{row['key']}.json"
        about.write_text(json.dumps({"made_of": made_of}), encoding="utf-8")
    (space.models / "card").mkdir()
    (space.models / "card" / "config.json").write_text("{}", encoding="utf-8")
    (space.models / "card" / "README.md").write_text(f"# {EVIL}\n````\n", encoding="utf-8")


def test_markup_in_texts_labels_names_and_cards_stays_words(workspace: Workspace) -> None:
    evil(workspace)
    page_path, text_path = write_report(workspace, "dev", [workspace.models])
    page = page_path.read_text(encoding="utf-8")
    harmless(page)
    letters = "".join(parsed(page).letters)
    assert letters.count("<script>alert(1)</script>") >= 6
    markdown = text_path.read_text(encoding="utf-8")
    fences = re.findall(r"^(`{3,})(?:text)?\n.*?^\1$", markdown, re.MULTILINE | re.DOTALL)
    assert len(fences) == 4
    outside = re.sub(r"^(`{3,})(?:text)?\n.*?^\1$", "", markdown, flags=re.MULTILINE | re.DOTALL)
    assert "<script" not in outside
    assert "<img" not in outside


def test_what_a_report_says(workspace: Workspace) -> None:
    fill(workspace)
    page_path, text_path = write_report(workspace, "dev", [workspace.models])
    page, text = (path.read_text(encoding="utf-8") for path in (page_path, text_path))
    harmless(page)
    for wanted in (
        "dictionary",
        "kwtui ladder --split dev",
        "Your glossary lacks 2 terms.",
        "The test split of this workspace has been scored 2 times.",
        "josa attached",
        "Versions",
        "kwtui",
        "0.818",
    ):
        assert wanted in page
        assert wanted.replace("_", "\\_") in text
    assert page.count("<svg") == 3
    assert '<mark class="missed">노인</mark>' in page
    assert '<mark class="extra">의약품</mark>' in page
    assert "stale" not in text
    write_curve(workspace)
    assert measured_splits(workspace) == ["dev", "test"]
    write_report(workspace, "dev", [])
    page = page_path.read_text(encoding="utf-8")
    harmless(page)
    assert page.count("<svg") == 4
    assert "2,000 more: +4.1 points" in page
    mark_stale(workspace, "dev")
    write_report(workspace, "dev", [])
    assert "stale" in text_path.read_text(encoding="utf-8")


def test_a_report_on_test_prints_no_text_but_says_who_looked(workspace: Workspace) -> None:
    fill(workspace)
    with Corpus.open(workspace.corpus_path) as corpus:
        record_look(corpus, "t1", "me")
    page_path, text_path = write_report(workspace, "test", [])
    for path in (page_path, text_path):
        found = path.read_text(encoding="utf-8")
        assert "소화제" not in found
        assert "항생제" not in found
        assert "People have looked at 1 single text of test." in found
    data = gather(workspace, "test", [])
    assert isinstance(data, ReportData)
    assert [g.count for g in data.groups["rag"]][:2] == [0, 1]


def test_a_report_says_how_its_models_were_made_and_its_strategies_asked(
    workspace: Workspace,
) -> None:
    fill(workspace)
    path = workspace.reports / "ladder" / "dev.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    values["rows"][2]["model"] = "taught"
    path.write_text(json.dumps(values), encoding="utf-8")
    about = workspace.reports / "ladder" / "cache" / f"{values['rows'][2]['key']}.json"
    strategy = {"kind": "model", "model": "taught", "notes": ["조사는 빼세요."], "shots": 0}
    about.write_text(json.dumps({"made_of": {"strategy": strategy}}), encoding="utf-8")
    origins = {
        "taught": {"method": "full", "base": "longer", "run": "r1"},
        "longer": {"change": "extend", "base": "kw-mini", "terms": ["파스", "임산부"]},
    }
    for name, origin in origins.items():
        folder = workspace.models / name
        folder.mkdir()
        (folder / "config.json").write_text("{}", encoding="utf-8")
        (folder / "kwtui.json").write_text(json.dumps(origin), encoding="utf-8")
        (folder / "CARD.md").write_text(f"The card of {name}.", encoding="utf-8")
    (workspace.runs / "r1").mkdir()
    (workspace.runs / "r1" / "recipe.toml").write_text('method = "full"\n', encoding="utf-8")
    for path in write_report(workspace, "dev", [workspace.models]):
        found = path.read_text(encoding="utf-8")
        order = [
            "kwtui tokenizer extend --model kw-mini --name longer --budget 2",
            "kwtui train runs/r1/recipe.toml",
            "kwtui ladder --split dev",
        ]
        places = [found.index(line) for line in order]
        assert places == sorted(places)
        assert "The card of taught." in found
        assert "조사는 빼세요." in found
        assert "shots" not in found
        assert "brought in 11 (1)" in found


def test_a_report_in_korean(workspace: Workspace) -> None:
    fill(workspace)
    i18n.use("ko", CATALOGUES)
    page, text = write_report(workspace, "dev", [])
    assert '<html lang="ko">' in page.read_text(encoding="utf-8")
    assert not re.search(r"\b(Strategy|Advice|Examples)\b", text.read_text(encoding="utf-8"))


def test_the_loss_curves_of_runs_are_drawn(workspace: Workspace) -> None:
    fill(workspace)
    run = workspace.runs / "<b>run"
    run.mkdir()
    (run / "recipe.toml").write_text('method = "lora"\n', encoding="utf-8")
    (run / "run.json").write_text('{"state": "finished", "steps": 40}', encoding="utf-8")
    events = [{"time": n, "kind": "step", "step": n, "loss": 3 / (1 + n)} for n in range(1, 41)]
    events.append({"time": 41, "kind": "step", "step": 41, "loss": "nan"})
    events += [{"time": 50, "kind": "evaluation", "step": n, "loss": 1 / n} for n in (20, 40)]
    lines = "".join(json.dumps(event) + "\n" for event in events)
    (run / "events.jsonl").write_text(lines, encoding="utf-8")
    page_path, _text = write_report(workspace, "dev", [])
    page = page_path.read_text(encoding="utf-8")
    harmless(page)
    assert page.count("<svg") == 4
    assert "Loss of the run &lt;b&gt;run" in page
    assert len(re.findall(r'<polyline [^>]* curve"', page)) == 2


def test_without_a_ladder_there_is_a_sentence(workspace: Workspace) -> None:
    with pytest.raises(UserError, match="kwtui ladder --split dev"):
        write_report(workspace, "dev", [])
    path = workspace.reports / "ladder" / "dev.json"
    path.parent.mkdir(parents=True)
    for damaged in ("{", "[]", '{"rows": [{}]}'):
        path.write_text(damaged, encoding="utf-8")
        with pytest.raises(FailedError, match="no result of a ladder"):
            write_report(workspace, "dev", [])


def test_predictions_that_are_gone_leave_the_rest_of_the_report(workspace: Workspace) -> None:
    fill(workspace)
    shutil.rmtree(workspace.reports / "ladder" / "cache")
    page, _text = write_report(workspace, "dev", [])
    assert "0.818" in page.read_text(encoding="utf-8")
    workspace.corpus_path.unlink()
    write_report(workspace, "dev", [])


def test_plots_are_well_formed_whatever_the_numbers() -> None:
    nan = float("nan")
    for svg in (
        forest([], "a & b"),
        scatter([], "t", "x", str),
        scatter([Spot("<a>", 1.0, 0.5), Spot("b", 1.0, 0.5)], "t", "x", str),
        bars(["g"], [("s", [0])], "t"),
        curves([], "t", "x"),
        curves([Line("l", [(0, nan)])], "t", "x"),
        curves([Line("l", [(0, 1.0), (1, nan), (2, 1.0)], [(0, 0.5, 1.5)])], "t", "x"),
    ):
        root = Xml.fromstring(svg)
        for element in root.iter():
            assert not [v for v in element.attrib.values() if "nan" in v or "inf" in v]


def test_the_command(kwtui: Run, workspace: Workspace, tmp_path: Path) -> None:
    fill(workspace)
    done = kwtui("-w", workspace.root, "report", "-o", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    paths = [Path(line) for line in done.stdout.splitlines()]
    assert [path.name for path in paths] == ["ladder-dev.html", "ladder-dev.md"]
    assert all(path.is_file() for path in paths)
    done = kwtui("-w", workspace.root, "report", "--format", "csv", "--split", "test")
    assert done.stdout.startswith("strategy,label,rung")
    assert kwtui("-w", workspace.root, "report", "--split", "wild").returncode == 2
    assert kwtui("-w", workspace.root, "report", "--format", "doc").returncode == 2


@pytest.mark.skipif(BROWSER is None, reason="no Chromium here")
def test_a_browser_shows_the_page_and_blocks_nothing(workspace: Workspace, tmp_path: Path) -> None:
    evil(workspace)
    page, _text = write_report(workspace, "dev", [workspace.models])
    assert BROWSER is not None
    command = [
        BROWSER, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}/c",
        "--enable-logging=stderr", "--v=0", "--dump-dom", page.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "<svg" in done.stdout
    assert "CONSOLE" not in done.stderr, done.stderr
    harmless(done.stdout)
