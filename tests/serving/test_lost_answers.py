"""An answer that a server loses is asked for again, then said; it is never an empty answer."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engines.children import python_environment
from engines.corpus.store import Corpus
from engines.evaluation.ladder import Wish, run
from engines.extraction.drafting import draft
from engines.extraction.extractor import Extractor
from engines.extraction.remote import RemoteModel
from engines.extraction.remote_client import FAULTS
from engines.extraction.remote_grammar import GBNF
from engines.records import Example, ground
from engines.settings import ServerSettings, StrategySettings, load
from engines.workspace import Workspace
from tests.conftest import Run
from tests.llama_server import LlamaServer
from tests.serving.openai_shaped import Fault, Shaped, shaped
from tests.serving.test_remote import demo_texts

TEXTS = [f"파스{n} 임산부{n} 문장입니다." for n in range(8)]
EMPTY: Fault = (200, {}, b'{"choices": []}')
Answers = Callable[[int, dict[str, Any]], Fault]


@pytest.fixture
def server() -> Iterator[Shaped]:
    with shaped() as running:
        yield running


def said(content: str) -> Fault:
    body = {"choices": [{"message": {"content": content}, "finish_reason": "stop"}]}
    return 200, {}, json.dumps(body).encode()


def about(number: int, fault: Fault) -> Answers:
    """`fault` for whatever is asked about one text."""
    return lambda _n, body: fault if f"파스{number} " in body["messages"][-1]["content"] else None


def asked_about(server: Shaped, number: int) -> int:
    return sum(f"파스{number} " in body["messages"][-1]["content"] for body in server.asked)


def extractor(server: Shaped, **strategy: Any) -> Extractor:
    chosen = StrategySettings(server=server.address, **strategy)
    model = RemoteModel(chosen, ServerSettings(address=server.address))
    return Extractor("big", chosen, loaded=model)


def big(space: Workspace, address: str, kwtui: Run) -> None:
    """The strategy `big` in a workspace, trusted."""
    with space.config.open("a") as config:
        config.write(
            f'[servers.lab]\naddress = "{address}"\npatience_s = 1.0\n'
            '[strategies.big]\nserver = "lab"\n'
        )
    assert kwtui("trust", space.root, "--yes").returncode == 0


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_an_answer_lost_each_time_is_an_error_and_no_empty_answer(server: Shaped) -> None:
    server.fault = about(3, EMPTY)
    found = list(extractor(server).extract(TEXTS))
    assert [bool(one.error) for one in found] == [n == 3 for n in range(8)]
    assert "파스3" in found[3].error and "unknown shape" in found[3].error
    assert not found[3].valid and asked_about(server, 3) == FAULTS
    assert "error" in found[3].to_json() and "error" not in found[2].to_json()


def test_an_answer_out_of_the_form_that_was_told_is_asked_for_again(server: Shaped) -> None:
    model = RemoteModel(StrategySettings(), ServerSettings(address=server.address))
    model.dialect = GBNF
    times = iter(range(100))
    server.fault = lambda _n, _body: said("Sure! 파스") if next(times) < 2 else None
    (found,) = Extractor("big", StrategySettings(), loaded=model).extract(TEXTS[:1])
    assert found.valid and not found.error and len(found.keywords) == 2
    server.fault = lambda _n, _body: said("Sure! 파스")
    (lost,) = Extractor("big", StrategySettings(), loaded=model).extract(TEXTS[:1])
    assert "no list of strings" in lost.error and lost.keywords == ()


def test_a_model_in_a_loop_is_cut_where_it_would_have_been_stopped_here(server: Shaped) -> None:
    model = RemoteModel(StrategySettings(), ServerSettings(address=server.address))
    model.dialect = GBNF
    body = {
        "message": {"content": '["파스0","파스0","파스0","파스0","임산부0","임산부0'},
        "finish_reason": "length",
    }
    answer = json.dumps({"choices": [body]}).encode()
    server.fault = lambda _n, _body: (200, {}, answer)
    (found,) = Extractor("big", StrategySettings(), loaded=model).extract(TEXTS[:1])
    assert found.valid and not found.truncated
    assert [keyword.surface for keyword in found.keywords] == ["파스0"]


def test_a_later_round_that_is_lost_leaves_the_words_of_the_one_before(server: Shaped) -> None:
    asking = extractor(server, feedback_rounds=1, feedback_sources=["excluded"], exclude=["파스0"])
    opened = len(server.asked)
    server.fault = lambda n, _body: EMPTY if n > opened + 1 else None
    (found,) = asking.extract(TEXTS[:1])
    assert found.rounds == 2 and "unknown shape" in found.error
    assert [keyword.surface for keyword in found.keywords] == ["파스0", "임산부0"]


def test_extract_says_it_and_a_later_run_asks_for_it_alone(
    server: Shaped, workspace: Workspace, kwtui: Run, tmp_path: Path
) -> None:
    big(workspace, server.address, kwtui)
    source, out = tmp_path / "in.txt", tmp_path / "out.jsonl"
    source.write_text("\n".join(TEXTS), encoding="utf-8")
    asked = ("-w", workspace.root, "extract", source, "-s", "big", "-o", out)
    server.fault = about(3, EMPTY)
    done = kwtui(*asked)
    assert done.returncode == 3 and "did not answer about the text '파스3" in done.stderr
    first = lines(out)
    assert [bool(row.get("error")) for row in first] == [n == 3 for n in range(8)]
    server.fault = lambda _n, _body: None
    other = kwtui("-w", workspace.root, "extract", "-", *asked[4:], "--resume", input="다른 글\n")
    assert other.returncode == 2 and "is of another text" in other.stderr
    assert lines(out) == first and not out.with_name("out.jsonl.partial").exists()
    server.asked.clear()
    mended = kwtui(*asked, "--resume")
    assert mended.returncode == 0, mended.stderr
    rows = lines(out)
    assert [row["text"] for row in rows] == TEXTS
    assert [k["surface"] for k in rows[3]["keywords"]] == ["파스3", "임산부3"]
    assert rows[:3] + rows[4:] == first[:3] + first[4:]
    assert asked_about(server, 3) == 1 and all(asked_about(server, n) == 0 for n in (2, 4))
    assert not out.with_name("out.jsonl.partial").exists()


def test_answers_without_form_are_counted_aloud(
    server: Shaped, workspace: Workspace, kwtui: Run
) -> None:
    big(workspace, server.address, kwtui)
    server.fault = lambda _n, _body: said("there are none")
    done = kwtui("-w", workspace.root, "extract", "-", "-s", "big", input="\n".join(TEXTS[:2]))
    assert done.returncode == 0 and "2 answers were no lists of keywords" in done.stderr


def test_drafts_and_ladder_take_no_lost_answer_for_one(
    server: Shaped, workspace: Workspace, kwtui: Run
) -> None:
    big(workspace, server.address, kwtui)
    server.fault = about(3, EMPTY)
    with Corpus.open(workspace.corpus_path, create=True) as corpus:
        for number, text in enumerate(TEXTS):
            gold = ground(text, [f"파스{number}"])[0]
            corpus.add([Example(str(number), text, gold, "dev")])
        asked = [Example(str(number), text) for number, text in enumerate(TEXTS)]
        drafted = draft(corpus, extractor(server), asked)
    assert len(drafted.errors) == 1 and "파스3" in drafted.errors[0]
    first = run(workspace, load(workspace.root), ["big"], "dev", Wish())
    assert first.rows[0].scores.invalid.count == 1
    assert "no answer about 1 text, which counts as empty" in first.notes()[0]
    server.fault = lambda _n, _body: None
    server.asked.clear()
    second = run(workspace, load(workspace.root), ["big"], "dev", Wish())
    assert second.rows[0].scores.invalid.count == 0 and second.rows[0].texts == 8
    assert second.notes() == []
    assert second.rows[0].scores.recall == 1.0 > first.rows[0].scores.recall
    # Nothing but the lost one was asked for: once to warm up, once for the answer.
    assert asked_about(server, 3) == 2 and all(asked_about(server, n) == 0 for n in (2, 4))


@pytest.mark.long  # test_remote_ladder kills and starts a server within a ladder
def test_a_file_goes_on_behind_a_real_server_that_was_killed(
    mortal: LlamaServer, workspace: Workspace, kwtui: Run, tmp_path: Path
) -> None:
    big(workspace, mortal.address, kwtui)
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    texts = demo_texts(60)
    rows = [json.dumps({"id": e.id, "text": e.text}, ensure_ascii=False) for e in texts]
    source.write_text("\n".join(rows), encoding="utf-8")
    place = ("-w", str(workspace.root), "extract", str(source))
    asked = (*place, "-s", "big", "-o", str(out), "--resume")
    mortal.start()
    running = subprocess.Popen(
        [sys.executable, "-P", "-m", "kwtui", *asked],
        env=python_environment(),
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    partial = out.with_name("out.jsonl.partial")
    while running.poll() is None and not (partial.exists() and partial.stat().st_size > 4000):
        time.sleep(0.01)
    mortal.kill()
    _none, told = running.communicate()
    begun = partial.read_text(encoding="utf-8").splitlines()
    assert running.returncode == 1 and "does not answer" in told and not out.exists()
    assert 0 < len(begun) < 60
    # One of them never came.
    lost = json.loads(begun[4]) | {"keywords": [], "valid": False, "error": "away"}
    begun[4] = json.dumps(lost, ensure_ascii=False)
    partial.write_text("\n".join(begun) + "\n", encoding="utf-8")
    assert kwtui(*asked).returncode == 1
    assert partial.read_text(encoding="utf-8").splitlines() == begun
    mortal.start()
    done = kwtui(*asked)
    assert done.returncode == 0, done.stderr
    own = [json.loads(line) for line in kwtui(*place, "-s", "prompt").stdout.splitlines()]
    there = lines(out)
    assert [row["id"] for row in there] == [e.id for e in texts]
    assert [row["keywords"] for row in there] == [row["keywords"] for row in own]
    assert not any(row.get("error") for row in there)
