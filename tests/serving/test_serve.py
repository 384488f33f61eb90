"""`kwtui serve`: right answers for those who may ask, clear refusals for everything else."""

import asyncio
import json
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest

from engines.extraction.opening import Opener
from engines.records import Example, Prediction
from engines.settings import load
from glossary.errors import FailedError, UserError
from kwtui.serving.batching import Batcher, Fault, Full, Outcome
from kwtui.serving.metrics import Metrics
from tests.conftest import Run
from tests.serving.served import Served, serving

TEXTS = [f"파스 {n}장과 두통약 {n}정을 임산부와 노인에게" for n in range(16)]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    options = ("-s", "prompt", "--rate", "0", "--body-limit", "1", "--body-timeout", "1")
    with serving(folder, *options) as server:
        yield server


def told(answer: httpx2.Response) -> str:
    """The sentence of a refusal, which is always JSON of one shape."""
    assert answer.headers["content-type"] == "application/json"
    values = answer.json()
    assert list(values) == ["detail"] and len(values["detail"]) > 10
    return str(values["detail"])


def test_it_answers_as_kwtui_extract_does(served: Served) -> None:
    extractor = Opener(load(None), None).extractor("prompt")
    mine = [[k.surface for k in p.keywords] for p in extractor.extract(TEXTS[:12])]
    assert served.extract(*TEXTS[:12]) == mine
    answer = served.client.post("/extract", json={"text": TEXTS[0]})
    body = answer.json()
    assert (body["strategy"], body["model"]) == ("prompt", "kw-mini")
    (result,) = body["results"]
    assert [k["surface"] for k in result["keywords"]] == mine[0]
    for keyword in result["keywords"]:
        assert result["text"][keyword["start"] : keyword["end"]] == keyword["surface"]


def test_requests_at_the_same_time_share_a_call_of_the_model(served: Served) -> None:
    alone = {text: served.extract(text)[0] for text in TEXTS}
    before = numbers(served)
    with ThreadPoolExecutor(16) as pool:
        together = list(pool.map(lambda text: served.extract(text)[0], TEXTS))
    assert together == [alone[text] for text in TEXTS]
    after = numbers(served)
    texts = after["kwtui_batched_texts_total"] - before["kwtui_batched_texts_total"]
    batches = after["kwtui_batches_total"] - before["kwtui_batches_total"]
    assert texts == len(TEXTS)
    assert batches < texts / 2


def numbers(served: Served) -> dict[str, float]:
    text = served.client.get("/metrics").text
    rows = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in rows}


@pytest.mark.parametrize("path", ["/extract", "/metrics", "/nothing", "/../../etc/passwd"])
@pytest.mark.parametrize("header", ["", "Bearer", "Bearer wrong", "Basic x", "Bearer \xff"])
def test_without_the_token_nothing_is_told(served: Served, path: str, header: str) -> None:
    headers = {"authorization": header.encode("latin-1")} if header else {"authorization": ""}
    for method in ("GET", "POST"):
        answer = served.client.request(method, path, headers=headers, json={"text": "파스"})
        while answer.status_code == 429:  # many wrong tokens from one address must wait
            time.sleep(0.1)
            answer = served.client.request(method, path, headers=headers)
        assert answer.status_code == 401 and "token" in told(answer)
        assert answer.headers["www-authenticate"] == "Bearer"


def test_health_and_the_page_are_open_and_tell_nothing(served: Served) -> None:
    with httpx2.Client(base_url=served.said["address"], trust_env=False) as stranger:
        assert stranger.get("/health").json() == {"status": "ok"}
        page = stranger.get("/docs")
        assert page.headers["content-type"].startswith("text/html")
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert "/extract" in page.text and "src=" not in page.text and served.token not in page.text
        assert set(stranger.get("/openapi.json").json()["paths"]) == {
            "/extract",
            "/health",
            "/metrics",
        }


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1:1", "", "localhost.evil.example"])
def test_another_host_header_is_refused(served: Served, host: str) -> None:
    answer = served.client.get("/health", headers={"host": host})
    assert answer.status_code in (400, 421)
    right = served.client.get("/health", headers={"host": f"localhost:{served.port}"})
    assert right.status_code == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 422),
        (b"{", 400),
        (b"\xff\xfe", 400),
        (b"[" * 100_000, 400),
        (b'{"text": "\\ud800"}', 422),
        (b"null", 422),
        (b"[]", 422),
        (b"{}", 422),
        (b'{"text": 5}', 422),
        (b'{"text": "a", "texts": ["b"]}', 422),
        (b'{"text": "a", "evil\\u0000": 1}', 422),
        (b'{"texts": []}', 422),
        (b'{"texts": ["a", 1]}', 422),
        (json.dumps({"texts": ["a"] * 257}).encode(), 422),
        (json.dumps({"text": "a" * 100_001}).encode(), 422),
    ],
)
def test_a_body_of_another_shape_is_a_sentence(served: Served, body: bytes, status: int) -> None:
    answer = served.client.post(
        "/extract", content=body, headers={"content-type": "application/json"}
    )
    assert answer.status_code == status, answer.text
    assert "evil" not in told(answer)


def test_another_type_method_or_path_is_a_sentence(served: Served) -> None:
    plain = served.client.post("/extract", content=b"x", headers={"content-type": "text/plain"})
    assert plain.status_code == 415 and "application/json" in told(plain)
    for method in ("GET", "PUT", "DELETE", "PATCH", "OPTIONS"):
        answer = served.client.request(method, "/extract")
        assert answer.status_code == 405 and answer.headers["allow"] == "POST"
    for path in ("/", "/extract/", "//extract", "/%2e%2e/extract", "/docs/../metrics%00", "/한글"):
        head = served.head("GET", path.encode().decode("latin-1"), Connection="close")
        status = b" 400 " if path == "/한글" else b" 404 "
        assert status in served.raw(head).split(b"\r\n")[0], path


def test_control_characters_are_taken_out_of_a_text(served: Served) -> None:
    answer = served.client.post("/extract", json={"text": "파\x00스\x1b[31m를 \u202e붙인 노인\r\n"})
    (result,) = answer.json()["results"]
    assert result["text"] == "파스[31m를 붙인 노인\n"


def test_a_huge_body_is_refused_before_it_is_read(served: Served) -> None:
    long = json.dumps({"text": "a" * 2_000_000}).encode()
    answer = served.client.post(
        "/extract", content=long, headers={"content-type": "application/json"}
    )
    assert answer.status_code == 413 and "1048576" in told(answer)
    announced = served.head(Content_Length=str(10**15), Expect="100-continue")
    started = time.monotonic()
    assert b" 413 " in served.raw(announced).split(b"\r\n")[0]
    assert time.monotonic() - started < 30

    def endless() -> Iterator[bytes]:
        for _n in range(64):
            yield b"[" * 65_536

    answer = served.client.post(
        "/extract", content=endless(), headers={"content-type": "application/json"}
    )
    assert answer.status_code == 413


def test_a_slow_body_and_a_slow_head_are_cut_off(served: Served) -> None:
    started = time.monotonic()
    slow = served.raw(served.head(Content_Length="1000") + b'{"te')
    assert b" 408 " in slow.split(b"\r\n")[0] and b"did not arrive" in slow
    assert served.raw(served.head()[:40]) == b""
    assert served.raw(b"") == b""
    # A second request that stops in its head, on a connection that was used before.
    head = served.head("GET", "/health")
    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as connection:
        connection.sendall(head)
        received = b""
        while b"}" not in received:
            received += connection.recv(65536)
        assert received.endswith(b'{"status":"ok"}')
        connection.sendall(head[:30])
        assert connection.recv(65536) == b""
    assert time.monotonic() - started < 60


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00",
        b"GET /health HTTP/9.9\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"POST /extract HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
    ],
)
def test_what_is_no_http_is_answered_with_400(served: Served, data: bytes) -> None:
    answer = served.raw(data)
    assert answer == b"" or answer.split(b" ")[1] in (b"400", b"421")
    assert served.client.get("/health").status_code == 200


def test_clients_that_leave_do_no_harm(served: Served) -> None:
    body = json.dumps({"texts": TEXTS}).encode()
    for _n in range(8):
        connection = socket.create_connection(("127.0.0.1", served.port))
        connection.sendall(served.head(Content_Length=str(len(body))) + body)
        connection.close()
    deadline = time.monotonic() + 60
    while numbers(served)["kwtui_texts_waiting"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    # One that breaks off within its body has had no answer, and was no fault of the server.
    with socket.create_connection(("127.0.0.1", served.port)) as connection:
        connection.sendall(served.head(Transfer_Encoding="chunked") + b"ZZ\r\n")
        assert connection.recv(1000).startswith(b"HTTP/1.1 400")
    assert len(served.extract("파스")) == 1
    assert 'status="500"' not in served.client.get("/metrics").text


def test_requests_of_one_client_are_counted(tmp_path: Path) -> None:
    options = ("-s", "words", "--rate", "5")
    dictionary(tmp_path)
    with serving(tmp_path, *options) as server:
        answers = [server.client.post("/extract", json={"text": "파스"}) for _n in range(30)]
        kinds = {answer.status_code for answer in answers}
        assert kinds == {200, 429}
        refused = next(a for a in answers if a.status_code == 429)
        assert int(refused.headers["retry-after"]) >= 1 and "Too many" in told(refused)
        time.sleep(float(refused.headers["retry-after"]))
        assert server.extract("파스") == [["파스"]]


def dictionary(folder: Path) -> None:
    (folder / "config.toml").write_text(
        '[workspace]\nformat = 1\n[strategies.words]\nkind = "dictionary"\n'
        'definitions = {"파스" = "", "노인" = ""}\n',
        encoding="utf-8",
    )


def test_a_unix_socket_is_its_owners_alone(tmp_path: Path, kwtui: Run) -> None:
    dictionary(tmp_path)
    place = tmp_path / "s"
    with serving(tmp_path, "-s", "words", unix=place) as server:
        assert stat.S_IMODE(place.stat().st_mode) == 0o600
        assert stat.S_IMODE((tmp_path / "token").stat().st_mode) == 0o600
        assert server.extract("노인용 파스") == [["노인", "파스"]]
        assert server.client.get("/metrics", headers={"authorization": ""}).status_code == 401
        again = kwtui("serve", "-s", "words", "--socket", place, cwd=tmp_path)
        assert again.returncode == 2 and "Another server listens" in again.stderr
        server.process.kill()
        server.process.wait()
        assert place.exists()
    with serving(tmp_path, "-s", "words", unix=place) as server:
        assert server.extract("파스") == [["파스"]]
    assert not place.exists()


def test_a_text_fails_alone_and_a_failing_machine_fails_at_once() -> None:
    class Faulty:
        """Cannot answer about one text; with `away` about none."""

        away = False
        calls = 0

        def extract(self, examples: list[Example]) -> Iterator[Prediction]:
            self.calls += 1
            if self.away:
                raise FailedError("The server is away.")
            for example in examples:
                if "bad" in example.text:
                    raise UserError("Not about this one.")
                yield Prediction(example.id, example.text, (), "s", "m")

    faulty: Any = Faulty()
    batcher = Batcher(lambda: faulty, Metrics(), most=8, room=9)

    async def ask(*texts: str) -> list[Outcome]:
        return await batcher.extract(texts)

    mixed = asyncio.run(ask("one", "bad", "two"))
    assert [type(one).__name__ for one in mixed] == ["Prediction", "Fault", "Prediction"]
    assert mixed[1] == Fault("Not about this one.", 422)
    faulty.away, faulty.calls = True, 0
    assert asyncio.run(ask("one", "two")) == [Fault("The server is away.", 503)] * 2
    assert faulty.calls == 1
    with pytest.raises(Full):
        asyncio.run(ask(*["x"] * 10))
    batcher.close()


def test_a_call_waits_for_a_crowd_and_a_lone_text_is_still_answered() -> None:
    class Slow:
        """Takes a while for each call, as a model does."""

        calls: list[int] = []  # noqa: RUF012

        def extract(self, examples: list[Example]) -> Iterator[Prediction]:
            self.calls.append(len(examples))
            time.sleep(0.5)
            yield from (Prediction(one.id, one.text, (), "s", "m") for one in examples)

    slow: Any = Slow()
    batcher = Batcher(lambda: slow, Metrics(), most=8, room=64)

    async def client() -> None:
        for _n in range(3):
            await batcher.extract(["x"])

    async def clients(count: int) -> None:
        await asyncio.gather(*(client() for _n in range(count)))

    asyncio.run(clients(4))
    # Those who were answered together are asked about together; else it would be five or more.
    assert sum(slow.calls) == 12 and len(slow.calls) <= 4
    assert len(asyncio.run(batcher.extract(["alone"]))) == 1
    batcher.close()


def test_a_token_that_others_may_read_is_refused(kwtui: Run, tmp_path: Path) -> None:
    dictionary(tmp_path)
    token = tmp_path / "token"
    token.write_text("x" * 40)
    token.chmod(0o644)
    asked = ("serve", "-s", "words", "--port", "0", "--token-file", token)
    refused = kwtui(*asked, cwd=tmp_path)
    assert refused.returncode == 2 and "Others may read" in refused.stderr
    token.chmod(0o600)
    token.write_text("short")
    assert "at least 16 characters" in kwtui(*asked, cwd=tmp_path).stderr
    wide = kwtui("serve", "-s", "words", "--host", "0.0.0.0", cwd=tmp_path)
    assert wide.returncode == 2 and "--allow-host" in wide.stderr


def test_a_stop_answers_what_was_asked(tmp_path: Path) -> None:
    with serving(tmp_path, "-s", "prompt", "--rate", "0") as server:
        alone = {text: server.extract(text)[0] for text in TEXTS[:3]}
        answers: dict[str, list[str]] = {}

        def ask(text: str) -> None:
            answers[text] = server.extract(*[text] * 12)[11]

        threads = [threading.Thread(target=ask, args=(text,)) for text in alone]
        for thread in threads:
            thread.start()
        while numbers(server)["kwtui_texts_waiting"] < 3:
            time.sleep(0.01)
        server.process.terminate()
        for thread in threads:
            thread.join()
        assert answers == alone
        assert server.process.wait(timeout=30) == 0
        with pytest.raises(httpx2.ConnectError):
            server.client.get("/health")


def test_a_port_in_use_is_a_sentence(served: Served, kwtui: Run) -> None:
    taken = kwtui("serve", "-s", "prompt", "--port", str(served.port))
    assert taken.returncode == 2 and "Choose another --port" in taken.stderr


def test_its_openapi_holds_under_schemathesis(served: Served, tmp_path: Path) -> None:
    """No 5xx, and every answer as the schema says, over what its fuzzing finds to ask."""
    # A body may be too large as well as wrong.
    statuses = "[400, 401, 405, 408, 413, 415, 421, 422, 429]"
    settings = f"[checks]\nnegative_data_rejection.expected-statuses = {statuses}\n"
    (tmp_path / "schemathesis.toml").write_text(settings)
    done = subprocess.run(
        [
            str(Path(sys.executable).parent / "schemathesis"),
            *("run", f"{served.said['address']}/openapi.json"),
            *("--header", f"Authorization: Bearer {served.token}"),
            *("--checks", "all", "--max-examples", "40", "--seed", "7", "--no-color"),
            *("--phases", "examples,coverage,fuzzing"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
