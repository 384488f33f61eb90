"""A strategy that asks a server: the answers of the model itself, whatever happens on the way."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engines.extraction.extractor import Extractor
from engines.extraction.opening import Opener
from engines.extraction.remote import RemoteModel
from engines.records import Example, Prediction
from engines.settings import ServerSettings, Settings, StrategySettings, load
from engines.workspace import Workspace, assets
from glossary.errors import FailedError, UserError
from tests.conftest import Run
from tests.llama_server import LlamaServer
from tests.serving.openai_shaped import Fault, Shaped, shaped

TEXTS = [f"파스{n} 임산부{n} 문장입니다." for n in range(60)]


@pytest.fixture
def server() -> Iterator[Shaped]:
    with shaped() as running:
        yield running


def demo_texts(count: int, file: str = "dev") -> list[Example]:
    lines = (assets() / "demo" / f"{file}.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines[:count]]
    return [Example(row["id"], row["text"]) for row in rows]


def asking(address: str, **place: Any) -> Extractor:
    strategy = StrategySettings(server=address)
    settings = ServerSettings(address=address, **place)
    return Extractor("big", strategy, loaded=RemoteModel(strategy, settings))


def words(predictions: list[Prediction]) -> list[list[str]]:
    return [[keyword.surface for keyword in one.keywords] for one in predictions]


def configured(**strategies: dict[str, Any]) -> Settings:
    settings = load(None)
    made = {name: StrategySettings(**values) for name, values in strategies.items()}
    return settings.model_copy(update={"strategies": made})


def test_llama_cpp_answers_as_the_model_itself(running: LlamaServer) -> None:
    texts = demo_texts(30)
    asked: dict[str, Any] = {"definitions": {"파스": "약을 바른 외용제"}}
    settings = configured(here=asked, there={**asked, "server": running.address})
    opener = Opener(settings, None)
    here = list(opener.extractor("here").extract(texts))
    there = list(opener.extractor("there").extract(texts))
    assert opener.notes == []
    assert words(there) == words(here)
    assert [p.id for p in there] == [e.id for e in texts]
    assert [p.prompt_tokens for p in there] == [p.prompt_tokens for p in here]
    assert all(p.valid and not p.ungrounded for p in there)
    assert sum(len(found) for found in words(there)) > 20


def test_llama_cpp_is_told_the_grammar(running: LlamaServer) -> None:
    from engines.extraction.remote_grammar import GBNF

    model = RemoteModel(StrategySettings(), ServerSettings(address=running.address))
    assert model.dialect is not None and model.dialect.name == "llguidance"
    assert model.context == 4096
    before = words(list(Extractor("a", StrategySettings(), loaded=model).extract(demo_texts(12))))
    # The same texts under a grammar in llama.cpp's own dialect: the same answers.
    model.dialect = GBNF
    after = list(Extractor("a", StrategySettings(), loaded=model).extract(demo_texts(12)))
    assert words(after) == before
    assert all(p.valid and not p.ungrounded for p in after)


@pytest.mark.long  # test_remote_ladder shows the same within a ladder
def test_a_server_killed_and_restarted_midway_loses_nothing(mortal: LlamaServer) -> None:
    mortal.start()
    texts = demo_texts(40)
    extractor = asking(mortal.address)
    whole = words(list(extractor.extract(texts)))
    found: list[Prediction] = []
    for number, prediction in enumerate(extractor.extract(texts)):
        found.append(prediction)
        if number == 10:
            mortal.kill()
            # The run is on its own for a while before the server is back.
            threading.Timer(0.3, mortal.start).start()
    assert [p.id for p in found] == [e.id for e in texts]
    assert words(found) == whole
    assert not any(p.error for p in found)


def test_order_is_kept_and_no_more_is_asked_at_once_than_allowed(server: Shaped) -> None:
    server.delay = 0.01
    extractor = asking(server.address, concurrency=5)
    taken = 0

    def source() -> Iterator[str]:
        nonlocal taken
        for text in TEXTS:
            taken += 1
            yield text

    predictions = extractor.extract(source())
    first = next(predictions)
    assert first.keywords[0].surface == "파스0"
    assert taken <= 4 * 5 + 1  # back-pressure: the input is not read ahead of the answers
    rest = list(predictions)
    assert [p.keywords[0].surface for p in rest] == [f"파스{n}" for n in range(1, 60)]
    assert 2 <= server.most_at_once <= 5


@pytest.mark.parametrize(
    "fault",
    [
        (429, {"retry-after": "0"}, b""),
        (503, {}, b'{"error": {"message": "Loading model"}}'),
        (500, {}, b"oops"),
        (0, {}, b""),
        (200, {}, b"no json"),
        (200, {}, b"[" * 5000),
        (200, {}, b'{"choices": []}'),
        (200, {}, b'{"choices": [{"message": {"content": null}, "finish_reason": "stop"}]}'),
        (408, {}, b""),
    ],
)
def test_what_passes_is_tried_again(server: Shaped, fault: Fault) -> None:
    extractor = asking(server.address, concurrency=3)
    opened = len(server.asked)
    server.fault = lambda n, _body: fault if n > opened and n % 4 == 1 else None
    found = list(extractor.extract(TEXTS[:12]))
    assert [p.keywords[0].surface for p in found] == [f"파스{n}" for n in range(12)]
    assert len(server.asked) > opened + 12
    assert not any(p.error for p in found)


def test_a_text_that_is_refused_fails_alone_and_is_told(server: Shaped) -> None:
    extractor = asking(server.address)

    def fault(_n: int, body: dict[str, Any]) -> Fault:
        if "파스3 " in body["messages"][-1]["content"]:
            return 400, {}, b'{"error": {"message": "exceeds the available context size"}}'
        return None

    server.fault = fault
    found = list(extractor.extract(TEXTS[:6]))
    assert [p.valid for p in found] == [True, True, True, False, True, True]
    assert [len(p.keywords) for p in found] == [2, 2, 2, 0, 2, 2]
    (sentence,) = [p.error for p in found if p.error]
    assert "파스3" in sentence and "exceeds the available context size" in sentence


def test_a_server_that_is_away_is_a_sentence(server: Shaped) -> None:
    address = server.address
    server.shutdown()
    server.server_close()
    started = time.monotonic()
    with pytest.raises(FailedError, match=r"does not answer \(.*\)\. Start it"):
        asking(address)
    assert time.monotonic() - started < 25


def test_a_server_that_goes_for_good_ends_the_run_with_what_was_done(server: Shaped) -> None:
    extractor = asking(server.address, concurrency=1, patience_s=0.5)
    opened = len(server.asked)
    server.fault = lambda n, _body: (503, {}, b"") if n > opened + 5 else None
    found: list[Prediction] = []
    with pytest.raises(FailedError, match="does not answer"):
        for prediction in extractor.extract(TEXTS):
            found.append(prediction)
    assert [p.keywords[0].surface for p in found] == [f"파스{n}" for n in range(5)]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"models": {"data": [{"id": "other"}]}}, "has no model 'kw-mini'. It has: other"),
        ({"fault": (401, {}, b"")}, "wants a key"),
        ({"fault": (307, {"location": "http://elsewhere"}, b"")}, "elsewhere"),
        ({"fault": (404, {}, b"{}")}, "no such model or address"),
    ],
)
def test_what_cannot_work_is_said_when_the_strategy_is_opened(
    server: Shaped, change: dict[str, Any], words: str
) -> None:
    server.models = change.get("models", server.models)
    if "fault" in change:
        server.fault = lambda _n, _body: change["fault"]
    with pytest.raises(UserError, match=words.replace(".", r"\.")):
        asking(server.address)


def test_the_key_comes_from_the_environment_and_goes_to_that_server_only(
    server: Shaped, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match="environment variable LAB_KEY"):
        asking(server.address, key_env="LAB_KEY")
    monkeypatch.setenv("LAB_KEY", "s3cret")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    found = list(asking(server.address, key_env="LAB_KEY").extract(TEXTS[:2]))
    assert len(found) == 2
    assert server.keys[-1] == "Bearer s3cret"


@pytest.mark.parametrize("address", ["localhost:8000", "file:///etc/passwd", "http://"])
def test_an_address_that_is_none(address: str) -> None:
    with pytest.raises(UserError, match="no http:// or https:// URL"):
        asking(address)


def test_a_server_without_grammar_is_noticed_and_its_words_are_checked(server: Shaped) -> None:
    settings = configured(big={"server": server.address})
    opener = Opener(settings, None)
    extractor = opener.extractor("big")
    assert any("takes no grammar" in note for note in opener.notes)
    body = json.dumps({"choices": [{"message": {"content": '["파스", "없는 말"]'}}]})
    server.fault = lambda _n, _body: (200, {}, body.encode())
    (found,) = extractor.extract(["파스를 붙였다"])
    assert words([found]) == [["파스"]] and found.ungrounded == ("없는 말",)


def test_a_base_model_is_asked_through_the_plain_template(server: Shaped) -> None:
    settings = configured(big={"server": server.address, "server_api": "completions"})
    extractor = Opener(settings, None).extractor("big")
    (found,) = extractor.extract(["파스 하나"])
    assert found.template == "plain"
    asked = server.asked[-1]
    assert asked["prompt"].endswith("글: 파스 하나\n답:") and asked["stop"] == ["\n\n"]
    assert asked["temperature"] == 0 and "messages" not in asked


def test_a_run_that_is_stopped_lets_go_at_once(server: Shaped) -> None:
    extractor = asking(server.address, concurrency=4)
    server.delay = 30.0
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    started = time.monotonic()
    assert list(extractor.extract(TEXTS, cancelled=stop.is_set)) == []
    assert time.monotonic() - started < 25


def test_a_handed_over_workspace_sends_nothing_before_it_is_trusted(
    server: Shaped, workspace: Workspace, kwtui: Run
) -> None:
    with workspace.config.open("a") as config:
        config.write(f'[strategies.rag]\nserver = "{server.address}"\nglossary = false\n')
    asked = ("-w", workspace.root, "extract", "-s", "rag", "-t", "파스 하나")
    refused = kwtui(*asked)
    assert refused.returncode == 2 and "not trusted yet" in refused.stderr
    assert "strategies.rag.server" in refused.stderr and refused.stdout == ""
    assert server.asked == []
    shown = kwtui("trust", workspace.root, "--yes")
    assert f'strategies.rag.server = "{server.address}"' in shown.stdout
    done = kwtui(*asked)
    assert done.returncode == 0, done.stderr
    assert [k["surface"] for k in json.loads(done.stdout)["keywords"]] == ["파스", "하나"]


def test_an_interrupted_file_is_gone_on_with(
    server: Shaped, workspace: Workspace, kwtui: Run, tmp_path: Path
) -> None:
    with workspace.config.open("a") as config:
        config.write(
            f'[servers.lab]\naddress = "{server.address}"\nconcurrency = 2\npatience_s = 0.2\n'
            '[strategies.big]\nserver = "lab"\n'
        )
    assert kwtui("trust", workspace.root, "--yes").returncode == 0
    source, out = tmp_path / "in.txt", tmp_path / "out.jsonl"
    source.write_text("\n".join(TEXTS), encoding="utf-8")
    asked = ("-w", workspace.root, "extract", source, "-s", "big", "-o", out, "--resume")
    server.fault = lambda n, _body: (503, {}, b"") if n > 20 else None
    stopped = kwtui(*asked)
    assert stopped.returncode == 1 and "does not answer" in stopped.stderr
    partial = out.with_name("out.jsonl.partial")
    begun = partial.read_bytes()
    assert 5 < len(begun.splitlines()) < 25 and not out.exists()
    partial.write_bytes(begun + b'{"id": "cut o')
    server.fault = lambda _n, _body: None
    before = len(server.asked)
    done = kwtui(*asked)
    assert done.returncode == 0, done.stderr
    lines = out.read_bytes().splitlines(keepends=True)
    assert b"".join(lines).startswith(begun) and not partial.exists()
    assert [json.loads(line)["text"] for line in lines] == TEXTS
    asked_again = [b for b in server.asked[before:] if "글: 파스0 " in b["messages"][-1]["content"]]
    assert asked_again == []


def test_a_begun_file_of_something_else_is_refused(kwtui: Run, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    line = {"id": "1", "text": "다른 글", "keywords": [], "strategy": "words", "model": ""}
    out.with_name("out.jsonl.partial").write_text(json.dumps(line) + "\n")
    (tmp_path / "config.toml").write_text(
        '[workspace]\nformat = 1\n[strategies.words]\nkind = "dictionary"\n'
        'definitions = {"파스" = ""}\n[strategies.other]\nkind = "dictionary"\n'
        'definitions = {"노인" = ""}\n'
    )
    asked = ("extract", "-", "-o", out, "--resume", "-s")
    other = kwtui(*asked, "other", input="글\n")
    assert other.returncode == 2 and "was begun with the strategy words" in other.stderr
    texts = kwtui(*asked, "words", input="글\n")
    assert texts.returncode == 2 and "line 1, is of another text" in texts.stderr
    assert kwtui("extract", "-", "--resume", input="글\n").returncode == 2
