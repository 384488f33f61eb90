"""`kwtui serve` against `kwtui extract` on the same texts, and 10,000 requests in bad company.

    python -P tests/benchmarks/serving.py [REQUESTS]

Prints the throughput of both and their ratio, the latency of single texts, and for the long run
(clients that leave, bodies that are none, a server that is killed and started again) how many
answers came back right. Fails on a wrong or lost answer or a 5xx, never on time.
"""

from __future__ import annotations

import json
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import httpx2

from engines.children import python_environment
from engines.extraction.opening import Opener
from engines.settings import load
from engines.workspace import assets

TEXTS, CLIENTS, KILLS = 400, 32, 5
BAD = (b"{", b'{"text": 5}', b"[" * 50_000, b'{"text": "\\ud800"}', b"\xff" * 300, b"{}")


def texts(count: int) -> list[str]:
    """The demo's training texts."""
    lines = (assets() / "demo" / "train.jsonl").read_text(encoding="utf-8").splitlines()
    return [str(json.loads(line)["text"]) for line in lines[:count]]


class Server:
    """`kwtui serve` on one port, which can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.token = folder, folder / "token"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = [sys.executable, "-P", "-m", "kwtui", "serve", "-s", "prompt", "--json"]
        command += ["--port", str(self.port), "--rate", "0", "--token-file", str(self.token)]
        self.process = subprocess.Popen(
            command,
            cwd=self.folder,
            env=python_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self.process.stdout is not None
        self.process.stdout.readline()

    def kill(self) -> None:
        """As a crash would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def client(self) -> httpx2.Client:
        """A client with the token."""
        headers = {"authorization": f"Bearer {self.token.read_text().strip()}"}
        return httpx2.Client(
            base_url=f"http://127.0.0.1:{self.port}", headers=headers, timeout=120, trust_env=False
        )


@contextmanager
def running() -> Iterator[Server]:
    """A server in an empty folder."""
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder))
        server.start()
        try:
            yield server
        finally:
            server.kill()


def words(answer: httpx2.Response) -> list[list[str]]:
    """The keywords in an answer."""
    results = answer.json()["results"]
    return [[keyword["surface"] for keyword in result["keywords"]] for result in results]


def single(client: httpx2.Client, text: str) -> tuple[list[str], float]:
    """One text asked about, and the seconds until the answer was there."""
    started = time.perf_counter()
    answer = client.post("/extract", json={"text": text})
    answer.raise_for_status()
    return words(answer)[0], time.perf_counter() - started


def throughput(server: Server, wanted: Sequence[str], right: list[list[str]], rate: float) -> None:
    """Texts a second by requests of 64 texts, and by single texts of many clients."""
    with server.client() as client:
        single(client, wanted[0])
        parts = [list(wanted[at : at + 64]) for at in range(0, len(wanted), 64)]
        started = time.perf_counter()
        with ThreadPoolExecutor(4) as pool:
            found = list(
                pool.map(lambda p: words(client.post("/extract", json={"texts": p})), parts)
            )
        many = len(wanted) / (time.perf_counter() - started)
        assert [one for part in found for one in part] == right
        alone = [single(client, text)[1] for text in wanted[:60]]
        started = time.perf_counter()
        with ThreadPoolExecutor(CLIENTS) as pool:
            answers = list(pool.map(lambda text: single(client, text), wanted))
        ones = len(wanted) / (time.perf_counter() - started)
        assert [answer for answer, _seconds in answers] == right
    print(f"kwtui extract: {rate:.1f} texts/s")
    print(f"serve, 64 texts a request: {many:.1f} texts/s, {many / rate:.2f}x")
    print(f"serve, single texts of {CLIENTS} clients: {ones:.1f} texts/s, {ones / rate:.2f}x")
    told("one client", alone)
    told(f"{CLIENTS} clients", [seconds for _answer, seconds in answers])


def told(name: str, seconds: Sequence[float]) -> None:
    """Median and 95th percentile in milliseconds."""
    ordered = sorted(seconds)
    median, late = statistics.median(ordered), ordered[int(0.95 * (len(ordered) - 1))]
    print(f"latency of a text, {name}: median {median * 1000:.0f} ms, p95 {late * 1000:.0f} ms")


class Siege:
    """Good requests among bad ones, clients that leave, and a server that dies now and then."""

    def __init__(self, server: Server, wanted: Sequence[str], right: list[list[str]]) -> None:
        self.server = server
        self.pairs = list(zip(wanted, right, strict=True))
        self.seen: Counter[str] = Counter()
        self.lock = threading.Lock()
        self.client = server.client()

    def ask(self, number: int) -> None:
        """Request `number`: a fifth of them are bad or leave early."""
        kind = random.Random(number).random()
        if kind < 0.1:
            self.bad(number)
        elif kind < 0.2:
            self.leave(number)
        else:
            self.good(number)

    def good(self, number: int) -> None:
        """Ask until there is an answer, and compare it."""
        text, right = self.pairs[number % len(self.pairs)]
        while True:
            try:
                answer = self.client.post("/extract", json={"text": text})
            except httpx2.TransportError:
                self.count("asked again")
                time.sleep(0.2)
                continue
            if answer.status_code != 200:
                self.count(f"status {answer.status_code}")
                if answer.status_code != 503:
                    return
                continue
            self.count("right" if words(answer) == [right] else "WRONG")
            return

    def bad(self, number: int) -> None:
        """A body that is none must be refused."""
        try:
            answer = self.client.post(
                "/extract",
                content=BAD[number % len(BAD)],
                headers={"content-type": "application/json"},
            )
        except httpx2.TransportError:
            self.count("server was away")
            return
        self.count("refused" if answer.status_code in (400, 422) else "WRONG")

    def leave(self, number: int) -> None:
        """Hang up in the middle of a request, or before its answer."""
        body = json.dumps({"text": self.pairs[number % len(self.pairs)][0]}).encode()
        token = self.server.token.read_text().strip()
        head = (
            f"POST /extract HTTP/1.1\r\nHost: localhost:{self.server.port}\r\n"
            f"Authorization: Bearer {token}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        ).encode()
        try:
            with socket.create_connection(("127.0.0.1", self.server.port), timeout=5) as line:
                line.sendall(
                    (head + body)[: random.Random(-number).randrange(len(head + body) + 1)]
                )
        except OSError:
            pass
        self.count("left")

    def count(self, what: str) -> None:
        """One more of `what`."""
        with self.lock:
            self.seen[what] += 1


def siege(server: Server, wanted: Sequence[str], right: list[list[str]], requests: int) -> None:
    """All requests, with the server killed `KILLS` times on the way."""
    battle = Siege(server, wanted, right)
    killings = [requests * n // (KILLS + 1) for n in range(1, KILLS + 1)]
    started = time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as pool:
        done = pool.map(battle.ask, range(requests))
        for number, _nothing in enumerate(done):
            if number in killings:
                server.kill()
                server.start()
    seconds = time.perf_counter() - started
    seen = ", ".join(f"{count:,} {what}" for what, count in sorted(battle.seen.items()))
    print(f"{requests:,} requests in {seconds:.0f} s, server killed {KILLS} times: {seen}")
    faults = [
        w for w in battle.seen if w == "WRONG" or (w.startswith("status 5") and "503" not in w)
    ]
    assert not faults, battle.seen
    expected = sum(random.Random(number).random() >= 0.2 for number in range(requests))
    assert battle.seen["right"] == expected, battle.seen


def main() -> None:
    """Everything, one after the other."""
    requests = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    wanted = texts(TEXTS)
    extractor = Opener(load(None), None).extractor("prompt")
    list(extractor.extract(wanted[:32]))
    started = time.perf_counter()
    found = list(extractor.extract(wanted))
    rate = len(wanted) / (time.perf_counter() - started)
    right = [[keyword.surface for keyword in one.keywords] for one in found]
    with running() as server:
        throughput(server, wanted, right, rate)
        short = sorted(range(len(wanted)), key=lambda n: len(wanted[n]))[:100]
        siege(server, [wanted[n] for n in short], [right[n] for n in short], requests)


if __name__ == "__main__":
    main()
