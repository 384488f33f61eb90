"""Settings: four layers, each value with its origin, every mistake a sentence."""

import json
from pathlib import Path

import pytest

from engines.layers import leaves
from engines.settings import Settings, StrategySettings, load
from engines.workspace import Workspace, default_config, user_folder
from glossary.errors import UserError


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_config_toml_says_every_default_with_a_comment() -> None:
    built_in = {k: v for k, v in leaves(Settings().model_dump()) if k[0] != "workspace"}
    written = load(None)
    for key, value in built_in.items():
        if key not in {("strategies",), ("recipes",), ("records",)}:
            assert written.origin(key), f"config.toml lacks {key}"
            assert dict(leaves(written.model_dump()))[key] == value
    comments = "".join(
        line
        for line in default_config().read_text(encoding="utf-8").splitlines(True)
        if line.startswith("#")
    )
    for name in [*StrategySettings.model_fields, "address", "key_env", "format"]:
        assert f"   {name} =" in comments, f"config.toml does not explain {name}"


def test_each_layer_goes_over_the_one_below(workspace: Workspace) -> None:
    user = write(
        user_folder() / "config.toml",
        '[extraction]\nstrategy = "prompt"\npassage_chars = 500\n[models]\ndevice = "cpu"\n',
    )
    with workspace.config.open("a") as own:
        own.write("[extraction]\npassage_chars = 600\n[strategies.rag]\nshots = 2\n")
    environ = {
        "KWTUI_EXTRACTION__PASSAGE_OVERLAP": "7",
        "KWTUI_STRATEGIES__RAG_FEEDBACK__SHOTS": "4",
    }
    settings = load(workspace.root, environ=environ, user=user)
    assert settings.models.device == "cpu"
    assert settings.extraction.strategy == "prompt"
    assert settings.extraction.passage_chars == 600
    assert settings.extraction.passage_overlap == 7
    assert settings.strategies["rag"].shots == 2
    assert settings.strategies["rag"].glossary, "other keys of the strategy stay"
    assert settings.strategies["rag-feedback"].shots == 4
    assert settings.origin(("models", "device")) == str(user)
    assert settings.origin(("extraction", "passage_chars")) == str(workspace.config)
    assert settings.origin(("extraction", "passage_overlap")) == "KWTUI_EXTRACTION__PASSAGE_OVERLAP"


def test_an_environment_variable_takes_the_type_of_its_setting() -> None:
    environ = {
        "KWTUI_LANGUAGE": "ko",
        "KWTUI_STRATEGIES__RAG__MODEL": "7",
        "KWTUI_STRATEGIES__RAG__NOTES": '["하나", "둘"]',
        "KWTUI_STRATEGIES__RAG__CONSTRAINED": "false",
    }
    settings = load(None, environ=environ)
    rag = settings.strategies["rag"]
    assert (settings.language, rag.model, rag.notes, rag.constrained) == (
        "ko",
        "7",
        ["하나", "둘"],
        False,
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("langage = 'ko'", ["langage", "did you mean language?"]),
        ("[extraction]\npasage_chars = 9", ["extraction.pasage_chars", "extraction.passage_chars"]),
        ("[strategies.rag]\nglosary = true", ["strategies.rag.glosary", "strategies.rag.glossary"]),
        ("[zzz]\nq = 1", ["zzz", "valid here: language"]),
        ("[strategies.rag]\nshots = '4'", ["strategies.rag.shots", "a whole number"]),
        ("[strategies.rag]\nshots = 400", ["strategies.rag.shots", "at most 64"]),
        ("[strategies.rag]\nshots = -1", ["strategies.rag.shots", "at least 0"]),
        ("[strategies.rag]\nglossary = 1", ["strategies.rag.glossary", "true or false"]),
        ("[strategies.rag]\nnotes = '한 줄'", ["strategies.rag.notes", "a list"]),
        ("[strategies.rag]\npasses = 'by_kinds'", ["strategies.rag.passes", 'nearest: "by_kind"']),
        ("[strategies.rag]\nfeedback_sources = ['mised']", ["feedback_sources.0", '"missed"']),
        ("[models]\ndevice = 'gpu'", ["models.device", "of the form"]),
        ("strategies = 3", ["strategies", "a table"]),
        ("[extraction]\npassage_chars = 100", ["extraction.passage_overlap", "smaller"]),
        ("[servers.lab]\nkey_env = 'X'", ["servers.lab.address", "missing"]),
    ],
)
def test_a_wrong_setting_is_a_sentence_with_file_key_and_cure(text: str, said: list[str]) -> None:
    user = write(user_folder() / "config.toml", text)
    with pytest.raises(UserError) as refused:
        load(None)
    for part in [str(user), *said]:
        assert part in refused.value.sentence
    assert "\n" not in refused.value.sentence
    assert refused.value.exit_code == 2


@pytest.mark.parametrize("content", [b"language = ", b"\xff\xfe\x00", b"a = 1\na = 2"])
def test_a_broken_file_is_a_sentence(content: bytes) -> None:
    path = write(user_folder() / "config.toml", "")
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"config\.toml is not (valid TOML|UTF-8)"):
        load(None)


def test_a_wrong_variable_is_named() -> None:
    with pytest.raises(UserError, match=r"KWTUI_STRATEGIES__RAG__SHOT: .*strategies\.rag\.shots"):
        load(None, environ={"KWTUI_STRATEGIES__RAG__SHOT": "1"})


def test_an_unknown_variable_is_named(kwtui) -> None:
    refused = kwtui("config", "show", env={"KWTUI_STDOUT": "x"})
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "KWTUI_STDOUT" in refused.stderr


def test_a_pasted_key_is_refused_and_never_repeated() -> None:
    write(user_folder() / "config.toml", '[servers.lab]\naddress = "http://x"\nkey_env = "sk-42-x"')
    with pytest.raises(UserError, match="name of an environment variable") as refused:
        load(None)
    assert "sk-42" not in refused.value.sentence


def test_config_show_names_values_and_origins_without_secrets(kwtui, workspace: Workspace) -> None:
    user = write(
        user_folder() / "config.toml",
        '[servers.lab]\naddress = "http://me:geheim@gpu1:8000/v1"\nkey_env = "LAB_KEY"\n',
    )
    shown = kwtui("-w", workspace.root, "config", "show", env={"KWTUI_MODELS__DEVICE": "cpu"})
    assert shown.returncode == 0, shown.stderr
    assert 'models.device = "cpu"  (KWTUI_MODELS__DEVICE)' in shown.stdout
    assert f'servers.lab.address = "http://********@gpu1:8000/v1"  ({user})' in shown.stdout
    assert "geheim" not in shown.stdout
    document = json.loads(kwtui("config", "show", "--json").stdout)
    keys = {entry["key"]: entry for entry in document["settings"]}
    assert keys["servers.lab.key_env"]["value"] == "LAB_KEY"
    assert keys["strategies.rag.batch_size"]["origin"] == "default"


def test_config_show_is_one_sentence_for_a_mistake(kwtui) -> None:
    write(user_folder() / "config.toml", "[extractoin]\nstrategy = 'rag'")
    shown = kwtui("config", "show")
    assert (shown.returncode, shown.stdout) == (2, "")
    assert "did you mean extraction?" in shown.stderr
    assert "Traceback" not in shown.stderr
