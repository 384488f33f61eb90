"""Work by the command line: labels, terms, extraction and runs, each answer written down."""

from __future__ import annotations

import json
import random
import resource
import signal
import subprocess
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from engines.children import python_command, python_environment
from tests.soak.acks import Acks
from tests.soak.place import Place

PATIENCE = 300.0
TERMS = 12
RUNS_KEPT = 5


@dataclass(frozen=True)
class Done:
    """How a command ended; `disturbed`: killed, or the disk was full meanwhile."""

    code: int
    out: str
    err: str
    disturbed: bool


class Weather:
    """What is going on outside: a command is judged by it."""

    def __init__(self) -> None:
        self.full = threading.Event()
        self.times = 0
        self.over = threading.Event()


class Command:
    """Runs kwtui as a person at another terminal does."""

    def __init__(self, place: Place, weather: Weather, role: str) -> None:
        self.place, self.weather, self.role = place, weather, role

    def __call__(self, *arguments: str) -> Done:
        before, full = self.weather.times, self.weather.full.is_set()
        child = subprocess.Popen(
            python_command("kwtui", "-w", str(self.place.space.root), *arguments),
            env=python_environment() | self.place.environment("hand", self.role),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            start_new_session=True,
            preexec_fn=None if self.place.mounted or not full else _little_room,
        )
        try:
            out, err = child.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            child.kill()
            out, err = child.communicate()
            self.place.acks.finding(
                f"{' '.join(arguments)}: no end after {PATIENCE:.0f} s", err=err
            )
        disturbed = full or self.weather.times != before
        done = Done(child.returncode, out, err, disturbed or child.returncode < 0)
        self._judge(arguments, done)
        return done

    def _judge(self, arguments: Sequence[str], done: Done) -> None:
        self.place.acks.note("command", what=" ".join(arguments[:2]), code=done.code)
        failed = done.code in (0, 1, 2, 3) and done.code != 0 and not done.disturbed
        # Where others change runs and terms at the same time, a refusal is a right answer.
        refused = done.code == 2 and arguments[0] != "data"
        if "Traceback" in done.err or (failed and not refused) or done.code > 3:
            words = done.err.strip()
            self.place.acks.finding(
                f"{' '.join(arguments[:2])}: exit code {done.code}: {words[-300:]}",
                arguments=list(arguments), err=words[-4000:], disturbed=done.disturbed,
            )  # fmt: skip

    def change(self, kind: str, name: str, state: Any, *arguments: str) -> str:
        """Run a command that changes something; how the attempt was settled."""
        acks: Acks = self.place.acks
        number = acks.attempt(kind, name, state)
        done = self(*arguments)
        how = "done" if done.code == 0 else "refused" if done.code in (1, 2) else "unknown"
        acks.settle(number, how)
        return how


def _little_room() -> None:
    """What stands for a full disk where none can be mounted."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))


class Hand:
    """One person at the command line, who labels, edits terms and extracts in turn."""

    def __init__(self, place: Place, weather: Weather, name: str, seed: str) -> None:
        self.name = name
        self.rng = random.Random(f"{seed} {name}")
        self.run = Command(place, weather, name)
        self.texts = place.texts()
        self.labels: dict[str, Any] = {}
        self.terms: dict[str, str | None] = {f"담금{name}{n}": None for n in range(TERMS)}
        self.count = 0

    def step(self) -> None:
        """One thing of those a person does."""
        ways: list[tuple[int, Callable[[], object]]] = [
            (4, self.label), (4, self.term), (1, self.extract),
        ]  # fmt: skip
        self.rng.choices([way for _w, way in ways], [weight for weight, _way in ways])[0]()

    def label(self) -> None:
        """Other labels for a text; sometimes taken back at once."""
        text, words = self.rng.choice(self.texts)
        chosen = sorted(self.rng.sample(words, min(len(words), self.rng.randint(1, 3))))
        # A word that stands in another is labeled there too, and is said but once.
        chosen = [w for w in chosen if not any(w != other and w in other for other in chosen)]
        before = self.labels.get(text, [None])
        key = f"{text}/{self.name}"
        how = self.run.change(
            "label", key, chosen, "data", "label", text, *chosen, "--annotator", self.name
        )
        self._remember(self.labels, text, before, chosen, how)
        if how == "done" and len(before) == 1 and self.rng.random() < 0.3:
            back = self.run.change(
                "label", key, before[0], "data", "undo", "--annotator", self.name, "--json"
            )
            self._remember(self.labels, text, [chosen], before[0], back)

    @staticmethod
    def _remember(into: dict[str, Any], name: str, before: list[Any], state: Any, how: str) -> None:
        into[name] = [state] if how == "done" else [*before, *([state] if how == "unknown" else [])]

    def term(self) -> None:
        """A term added, given another definition, or removed."""
        self.count += 1
        name = self.rng.choice(list(self.terms))
        said = f"뜻 {self.count}"
        if self.terms[name] is None:
            arguments, state = ("add", name, "-d", said), said
        elif self.rng.random() < 0.6:
            arguments, state = ("edit", name, "-d", said), said
        else:
            arguments, state = ("rm", name), None
        if self.run.change("term", name, state, "glossary", *arguments) == "done":
            self.terms[name] = state
        else:
            self._look(name)

    def _look(self, name: str) -> None:
        """Ask what there is, after an answer that left it open."""
        done = self.run("glossary", "show", name, "--json")
        if done.code in (0, 2):
            self.terms[name] = "" if done.code == 0 else None

    def extract(self) -> None:
        """Keywords of one text by the dictionary or, rarely, by the model."""
        words = " ".join(self.rng.choice(self.texts)[1])
        strategy = self.rng.choice(["dictionary", "dictionary", "rag"])
        done = self.run("extract", "-t", words, "-s", strategy)
        if done.code == 0 and json.loads(done.out)["strategy"] != strategy:
            self.run.place.acks.finding(f"extract answered {done.out!r}")


class Trainer:
    """Somebody who has runs at work, in the queue and beside it, and looks at them."""

    def __init__(self, place: Place, weather: Weather, seed: str) -> None:
        self.place = place
        self.rng = random.Random(f"{seed} trainer")
        self.run = Command(place, weather, "trainer")

    def step(self) -> None:
        """Look at the runs; start one, let one go on, stop one or remove one."""
        done = self.run("runs", "list", "--json")
        if done.code != 0:
            return
        runs = json.loads(done.out)["runs"]
        living = [r for r in runs if r["state"] in ("starting", "running", "stopping")]
        waiting = [r for r in runs if r["state"] == "waiting" or r.get("place")]
        cut = [r for r in runs if r["state"] in ("interrupted", "stopped", "failed")]
        ended = [r for r in runs if r["state"] == "finished"]
        if len(living) + len(waiting) < 2 and len(runs) < RUNS_KEPT:
            self.start()
        elif len(ended) + len(cut) > 2 and len(runs) >= RUNS_KEPT:
            self.remove((ended or cut)[-1]["id"])
        elif cut and not living:
            chosen = self.rng.choice(cut)["id"]
            queue = ("queue", "add") if self.rng.random() < 0.5 else ("resume",)
            self.run("runs", *queue, chosen)
        elif living and self.rng.random() < 0.2:
            self.run("runs", "stop", living[0]["id"])
        elif living:
            self.run("runs", "watch", living[0]["id"], "--once", "--json")

    def start(self) -> None:
        """A run, at once or in the queue."""
        way = ["--queue"] if self.rng.random() < 0.6 else []
        seed = self.rng.randrange(10**6)
        self.run("train", "kw-mini", "--set", f"seed={seed}", "--json", *way)

    def remove(self, name: str) -> None:
        """Remove a run, whose checkpoints are no longer asked for then."""
        self.run.change("run", name, "removed", "runs", "rm", name)
