"""The extractor behind a pipe, with a real model: stages, order, overtaking, cancelling, ending."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from engines.records import Prediction
from engines.settings import Settings
from engines.workspace import Workspace
from glossary.errors import UserError
from kwtui.hosts import Host, HostDied, Request, RequestCancelled, State
from kwtui.services.messages import Extracted, ModelInfo
from tests import tiny

TEXTS = [f"{number}번: {text}" for number in range(150) for text in tiny.TEXTS]


@pytest.fixture(scope="module")
def host(space: Workspace, settings: Settings) -> Iterator[Host]:
    """One process for the whole module: the libraries take seconds to load."""
    made = Host("extractor", settings, space)
    yield made
    made.close()


def ask(host: Host, method: str, **params: Any) -> Any:
    return host.submit(method, params).result(60)


def wait_until(condition: Any, seconds: float = 30.0) -> None:
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:
        time.sleep(0.005)
    assert condition()


def batch(host: Host, texts: list[str], got: list[Prediction], **params: Any) -> Request:
    """A long extraction in the background."""
    everything = {"texts": texts, "strategy": "tiny", **params}
    return host.submit("extract", everything, background=True, on_partial=got.append)


def test_death_while_loading_is_said_and_the_next_request_loads_again(host: Host) -> None:
    stages: list[str] = []
    request = host.submit(
        "load_model", {"strategy": "tiny"}, on_progress=lambda p: stages.append(p.stage)
    )
    wait_until(lambda: stages)
    assert host.pid is not None and host.state is State.BUSY
    os.kill(host.pid, signal.SIGKILL)
    with pytest.raises(HostDied, match="extractor process has ended"):
        request.result(5)
    assert host.state is State.DEAD
    stages.clear()
    info: ModelInfo = host.submit(
        "load_model", {"strategy": "tiny"}, on_progress=lambda p: stages.append(p.stage)
    ).result(60)
    assert stages == ["Loading the libraries", "Loading the model tiny"]
    assert (info.strategy, info.model, info.device, info.dtype) == (
        "tiny",
        "tiny",
        "cpu",
        "float32",
    )


def test_the_strategies_are_listed_and_mistakes_are_sentences(host: Host) -> None:
    listed = {info.name: info for info in ask(host, "strategies")}
    assert next(iter(listed)) == "dictionary" and listed["tiny"].model == "tiny"
    assert [name for name, info in listed.items() if info.default] == ["rag"]
    assert listed["dictionary"].glossary and not listed["tiny"].glossary
    with pytest.raises(UserError, match=r"no strategy 'tin'\. Did you mean 'tiny'"):
        ask(host, "extract", texts=["가"], strategy="tin")


def test_partial_results_come_in_order_and_a_request_overtakes_them(host: Host) -> None:
    texts = TEXTS[:128]
    alone: list[Prediction] = []
    whole: Extracted = batch(host, texts, alone).result(60)
    assert whole.count == 128 and whole.predictions == () and whole.info.model == "tiny"
    assert [p.text for p in alone] == texts

    got: list[Prediction] = []
    seen: list[int] = []
    background = host.submit(
        "extract",
        {"texts": texts, "strategy": "tiny"},
        background=True,
        on_partial=got.append,
        on_progress=lambda p: seen.append(p.done),
    )
    wait_until(lambda: seen)
    answer: Extracted = ask(host, "extract", texts=[tiny.TEXTS[0]], strategy="tiny")
    words: Extracted = ask(host, "extract", texts=[tiny.TEXTS[0]], strategy="dictionary")
    assert not background.done() and len(got) < 128
    assert answer.predictions[0].text == tiny.TEXTS[0]
    assert [k.surface for k in words.predictions[0].keywords] == ["진통", "파스", "임산부", "노인"]
    assert background.result(60).count == 128
    # What was answered in between has not changed a thing.
    assert [p.keywords for p in got] == [p.keywords for p in alone]
    assert seen == sorted(seen) and seen[-1] == 128


def test_cancelling_ends_a_long_batch_and_a_waiting_one_within_a_second(host: Host) -> None:
    got: list[Prediction] = []
    running, waiting = batch(host, TEXTS, got), batch(host, TEXTS, [])
    wait_until(lambda: got)
    started = time.monotonic()
    host.cancel(running)
    waiting.cancel()
    for request in (running, waiting):
        with pytest.raises(RequestCancelled):
            request.result(10)
    assert time.monotonic() - started < 1.0
    assert 0 < len(got) < len(TEXTS)
    assert ask(host, "extract", texts=["두통"], strategy="tiny").count == 1


def test_a_person_marks_words_and_the_model_is_asked_again(host: Host) -> None:
    prediction = ask(host, "extract", texts=[tiny.TEXTS[0]], strategy="tiny").predictions[0]
    asked = {"prediction": prediction, "strategy": "tiny"}
    missing = next(
        w for w in ("임산부", "해열", "노인") if w not in {k.surface for k in prediction.keywords}
    )
    again: Prediction = ask(host, "retry", **asked, missed=[missing])
    assert again.rounds == 2 and [(n.source, n.word) for n in again.feedback] == [
        ("person", missing)
    ]
    assert ask(host, "retry", **asked, missed=["없는말"]) == prediction
    assert tiny.TEXTS[0] in ask(host, "show_prompt", text=tiny.TEXTS[0], strategy="tiny")


def test_other_settings_are_used_without_loading_the_model_again(
    host: Host, settings: Settings
) -> None:
    ask(host, "load_model", strategy="tiny")
    pid = host.pid
    changed = settings.model_copy(deep=True)
    changed.strategies["tiny"].notes.append("파스도 키워드입니다.")
    stages: list[str] = []
    host.use(changed)
    request = host.submit(
        "show_prompt",
        {"text": "파스", "strategy": "tiny"},
        on_progress=lambda p: stages.append(p.stage),
    )
    assert "참고: 파스도 키워드입니다." in request.result(60)
    assert host.pid == pid
    assert not [stage for stage in stages if "Loading" in stage]
    host.use(settings)
    assert "참고" not in ask(host, "show_prompt", text="파스", strategy="tiny")


def test_unloading_frees_everything_and_stops_what_runs_when_asked(host: Host) -> None:
    got: list[Prediction] = []
    background = batch(host, TEXTS, got)
    wait_until(lambda: got)
    pid = host.pid
    assert pid is not None and psutil.Process(pid).memory_info().rss > 200_000_000
    asyncio.run(host.unload(cancel=True))
    with pytest.raises(RequestCancelled):
        background.result(1)
    assert not psutil.pid_exists(pid) and host.state is State.UNLOADED and host.error == ""
