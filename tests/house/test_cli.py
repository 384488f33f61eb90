"""The command line: light to start, a sentence for every mistake, quiet when its reader leaves."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from engines.children import python_command, python_environment
from kwtui.cli import summaries

HEAVY = (
    "torch",
    "transformers",
    "lancedb",
    "kiwipiepy",
    "pyarrow",
    "datasets",
    "peft",
    "trl",
    "sentence_transformers",
    "pandas",
    "numpy",
    "sklearn",
    "textual",
    "rich",
    "pydantic",
)
LIST_MODULES = """
import json, sys
from kwtui import cli
code = cli.run(sys.argv[1:])
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})), file=sys.stderr)
sys.exit(code)
"""
PLANTED = "import pathlib; pathlib.Path({mark!r}).write_text('imported')\n"


def page_and_modules(*arguments: str) -> tuple[str, set[str]]:
    """What a command line prints, and the modules that it loaded for that."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", LIST_MODULES, *arguments],
        capture_output=True,
        text=True,
        env=python_environment(),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, set(json.loads(done.stderr.splitlines()[-1]))


def test_the_help_names_every_command_and_loads_nothing_heavy() -> None:
    page, modules = page_and_modules("--help")
    assert modules.isdisjoint(HEAVY)
    for name, summary in summaries().items():
        assert f"  {name} " in page
        assert summary in " ".join(page.split())


@pytest.mark.parametrize("command", sorted(summaries()))
def test_a_command_explains_itself_without_a_model_library(command: str) -> None:
    page, modules = page_and_modules(command, "--help")
    assert modules.isdisjoint(set(HEAVY) - {"pydantic", "rich"})
    assert summaries()[command] in page
    assert "completion" not in page


def test_without_arguments_there_is_help(kwtui) -> None:
    bare = kwtui()
    assert bare.returncode == 0
    assert bare.stdout == kwtui("--help").stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["extrct"], "did you mean extract?"),
        (["zzzz"], "There is no command 'zzzz'."),
        (["config", "show", "--jsn"], "did you mean --json?"),
        (["config", "shw"], "'show'"),
        (["init"], "'DIR' is missing."),
        (["init", "a", "b"], "Nothing more is expected than this: b."),
        (["-w"], "needs a value."),
    ],
)
def test_wrong_usage_is_one_sentence(kwtui, arguments: list[str], said: str) -> None:
    refused = kwtui(*arguments)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert said in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


def test_korean_by_setting_variable_and_locale(kwtui, tmp_path: Path) -> None:
    for env in ({"KWTUI_LANGUAGE": "ko"}, {"LC_ALL": "ko_KR.UTF-8"}):
        page = kwtui("--help", env=env).stdout
        assert "사용법: kwtui" in page
        assert "작업 공간" in page
    kwtui("init", "space")
    config = tmp_path / "space" / "config.toml"
    config.write_text('language = "ko"\n' + config.read_text(encoding="utf-8"), encoding="utf-8")
    for where in (["-w", "space"], [f"--workspace={tmp_path / 'space'}"]):
        wrong = kwtui(*where, "extrct")
        assert "extract" in wrong.stderr
        assert "명령" in wrong.stderr


def run_code(code: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-c", code],
        capture_output=True,
        text=True,
        env=python_environment(),
        check=False,
        **options,
    )


def test_our_own_mistakes_go_to_the_log_and_one_sentence_to_stderr(own_home: Path) -> None:
    code = "from kwtui import failures; import sys; sys.exit(failures.report(KeyError('oops')))"
    done = run_code(code)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    log = own_home / "state" / "kwtui" / "kwtui.log"
    assert str(log) in done.stderr
    assert "KeyError: 'oops'" in log.read_text()
    assert log.stat().st_mode & 0o077 == 0 or log.parent.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        ("OSError(28, 'x', '/mnt/a.jsonl')", 1, "No space left on the device of /mnt/a.jsonl"),
        ("OSError(30, 'x', '/mnt/a')", 1, "/mnt/a lies on a read-only file system"),
        ("PermissionError(13, 'x', '/mnt/a')", 1, "No permission for /mnt/a"),
        ("OSError(28, 'x')", 1, "No space left on the device of the output"),
        ("MemoryError()", 1, "Not enough memory"),
        ("KeyboardInterrupt()", 130, "Interrupted"),
    ],
)
def test_what_a_machine_can_do_to_us_is_a_sentence(error: str, code: int, said: str) -> None:
    done = run_code(f"from kwtui import failures; import sys; sys.exit(failures.report({error}))")
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_full_device_is_a_sentence() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            python_command("kwtui", "config", "show", "--json"),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=python_environment(),
            check=False,
        )
    assert done.returncode == 1
    assert "No space left" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_reader_that_leaves_is_no_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        python_command("kwtui", "config", "show", "--json"),
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        env=python_environment(),
        check=False,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


def test_an_interrupt_ends_with_130_and_a_sentence() -> None:
    # Where the tests themselves were started with interrupts ignored, children would ignore them.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # A dictionary of its own needs no workspace.
    terms = {"KWTUI_STRATEGIES__DICTIONARY__DEFINITIONS": '{"약국" = "약을 파는 곳"}'}
    with subprocess.Popen(
        python_command("kwtui", "extract", "-", "--strategy", "dictionary"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=python_environment() | terms,
    ) as child:
        # More than a pipe holds: once it is written, the command is reading.
        assert child.stdin
        child.stdin.write("약국은 아홉 시에 문을 엽니다.\n" * 5000)
        child.send_signal(signal.SIGINT)
        _out, err = child.communicate(timeout=60)
    assert child.returncode == 130, err
    assert "Interrupted" in err
    assert "Traceback" not in err


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    """A folder with modules that must never be imported."""
    mark = PLANTED.format(mark=str(tmp_path / "mark"))
    for name in ("torch.py", "peft.py", "typer.py", "tomllib.py", "pydantic.py"):
        (tmp_path / name).write_text(mark)
    for package in ("engines", "glossary"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text(mark)
    return tmp_path


@pytest.mark.parametrize("path", ["", ".", os.pathsep, f".{os.pathsep}nowhere"])
def test_children_import_nothing_from_the_working_directory(planted: Path, path: str) -> None:
    environment = python_environment({**os.environ, "PYTHONPATH": path})
    command = python_command("kwtui", "config", "show")
    assert Path(command[0]).is_absolute()
    done = subprocess.run(
        command, cwd=planted, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert not (planted / "mark").exists()
    probe = "from importlib.util import find_spec as f; print(f('torch').origin, f('peft').origin)"
    done = subprocess.run(
        [command[0], "-P", "-c", probe],
        cwd=planted,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert str(planted) not in done.stdout


def test_the_command_itself_imports_nothing_planted(planted: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "kwtui", "config", "show"],
        cwd=planted,
        env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not (planted / "mark").exists()


def test_everything_is_offline_before_any_library_is_imported() -> None:
    code = (
        "import engines, os; print([os.environ[n] for n in ('HF_HUB_OFFLINE',"
        "'TRANSFORMERS_OFFLINE', 'HF_DATASETS_OFFLINE', 'HF_HUB_DISABLE_TELEMETRY',"
        "'DO_NOT_TRACK')])"
    )
    assert run_code(code).stdout.strip() == "['1', '1', '1', '1', '1']"


def test_the_demo_may_lie_in_a_folder_named_before_it(kwtui, tmp_path: Path) -> None:
    done = kwtui("-w", tmp_path / "new", "demo", "--strategies", ",")
    assert done.returncode == 2 and "Name at least one strategy" in done.stderr
    assert (tmp_path / "new" / "corpus.sqlite").exists()
