"""Local model folders: found, named, and refused with a reason before anything is loaded."""

import difflib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engines.models.weights import Weights, read_weights
from glossary.errors import UserError
from glossary.i18n import _

_CONFIGS = ("config.json", "adapter_config.json")
_TOKENIZERS = (
    "tokenizer.json",
    "tokenizer.model",
    "spiece.model",
    "sentencepiece.bpe.model",
    "vocab.json",
    "vocab.txt",
    "tekken.json",
)
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")
# Files of training states and bindings that end like weights but are none.
_NOT_WEIGHTS = frozenset({"training_args.bin", "optimizer.pt", "scheduler.pt", "optimizer.bin"})
_ARCHITECTURES = ("CausalLM", "LMHeadModel", "ConditionalGeneration")


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What a model folder says about itself, without loading it.

    `kind` is "model" or "adapter"; `size` counts bytes of weights; `dtype` is the commonest of
    the weights, `parameters` their number; `template` is "chat" or "plain"; `base` is an
    adapter's base model; `context` counts tokens (0: not said); `four_bit` are the bytes of its
    weights in four bits; `refusal` is the sentence why it cannot be loaded, or empty.
    """

    name: str
    path: Path
    kind: str = "model"
    architecture: str = ""
    parameters: int = 0
    size: int = 0
    dtype: str = ""
    template: str = ""
    base: str = ""
    context: int = 0
    four_bit: int = 0
    refusal: str = ""


def find_models(folders: Iterable[Path | str]) -> list[ModelInfo]:
    """Every model folder in `folders`, by name; of two with one name the first counts."""
    found: dict[str, ModelInfo] = {}
    for name, path in _named(folders):
        if name not in found:
            found[name] = describe(path, name)
    return sorted(found.values(), key=lambda info: info.name.lower())


def resolve(name_or_path: str | Path, folders: Iterable[Path | str]) -> Path:
    """The folder of a model given by name or path, absolute; UserError with the nearest name."""
    folders = list(folders)
    wanted = str(name_or_path)
    known = dict(reversed(list(_named(folders))))
    if wanted in known:
        return known[wanted]
    path = Path(wanted).expanduser()
    if path.exists() or path.is_symlink():
        return path.absolute()
    if len(path.parts) > 1 and path.is_absolute():
        raise UserError(_("There is no model folder {path}.").format(path=path))
    near = difflib.get_close_matches(wanted, known, n=1, cutoff=0.5)
    if near:
        message = _("There is no model {name}. Did you mean {near}?")
        raise UserError(message.format(name=wanted, near=near[0]))
    message = _(
        "There is no model {name} in {folders}: `kwtui models` lists what is there, and "
        "`kwtui models add FOLDER` brings one in."
    )
    places = ", ".join(str(folder) for folder in folders) or "-"
    raise UserError(message.format(name=wanted, folders=places))


def registered(named: str, folders: Iterable[Path | str]) -> Path | None:
    """The model in `folders` that `named` (a name, or a path that may be of elsewhere) means."""
    known = dict(reversed(list(_named(folders))))
    if named in known:
        return known[named]
    path = Path(named)
    if path.is_absolute():
        for place in known.values():
            if place.resolve() == path.resolve():
                return place
    return known.get(path.name)


def describe(path: Path, name: str = "") -> ModelInfo:
    """What the model folder at `path` holds; what is wrong with it stands in `refusal`."""
    info = ModelInfo(name or path.name, path)
    try:
        weights = check_folder(path)
    except UserError as error:
        return _with(info, refusal=error.sentence)
    adapter = is_adapter(path)
    config = read_json(path, _CONFIGS[1] if adapter else _CONFIGS[0])
    return _with(
        info,
        kind="adapter" if adapter else "model",
        architecture=str(config.get("peft_type", "")) if adapter else _architecture(config),
        parameters=weights.parameters,
        size=weights.size,
        dtype=weights.dtype,
        template="" if adapter else ("chat" if has_chat_template(path) else "plain"),
        base=str(config.get("base_model_name_or_path") or "") if adapter else "",
        context=0 if adapter else _context(config),
        four_bit=0 if adapter else weights.four_bit_size,
    )


def check_folder(path: Path) -> Weights:
    """What the weights in a model or adapter folder are; UserError when it must not be loaded.

    Reads configs, the headers of safetensors files and the vocabulary; loads no weights.
    """
    if path.is_symlink() and not path.exists():
        raise UserError(_dangling(path))
    if not path.exists():
        raise UserError(_("There is no model folder {path}.").format(path=path))
    if not path.is_dir():
        message = _("{path} is a file; a model is a folder with config.json and *.safetensors.")
        raise UserError(message.format(path=path))
    _refuse_dangling(path)
    if not any((path / name).is_file() for name in _CONFIGS):
        message = _("{path} is no model folder: it has no config.json.")
        raise UserError(message.format(path=path) + _gguf_hint(path))
    if is_adapter(path):
        read_json(path, _CONFIGS[1])
    else:
        _check_config(path)
    weights = _check_weights(path)
    if not is_adapter(path):
        _check_tokenizer(path, weights)
    return weights


def is_adapter(path: Path) -> bool:
    """Whether the folder holds a PEFT adapter rather than a whole model."""
    return (path / _CONFIGS[1]).is_file() and not (path / _CONFIGS[0]).is_file()


def has_chat_template(path: Path) -> bool:
    """Whether the tokenizer in the folder comes with a chat template."""
    if any((path / n).is_file() for n in ("chat_template.jinja", "chat_template.json")):
        return True
    file = "tokenizer_config.json"
    return bool((path / file).is_file() and read_json(path, file).get("chat_template"))


def read_json(folder: Path, name: str) -> dict[str, Any]:
    """A JSON object from a file of a model folder; UserError when it is none."""
    path = folder / name
    try:
        values = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        reason = error.strerror or str(error)
        message = _("Cannot read {path}: {error}.")
        raise UserError(message.format(path=path, error=reason)) from None
    except ValueError as error:
        message = _("{path} is broken JSON ({error}); copy the model again.")
        raise UserError(message.format(path=path, error=error)) from None
    if not isinstance(values, dict):
        raise UserError(_("{path} holds no JSON object; copy the model again.").format(path=path))
    return values


def refuse_small_embedding(path: Path, rows: int, highest: int) -> None:
    """UserError when a model with `rows` embeddings has no place for the token id `highest`."""
    if highest >= rows:
        message = _(
            "{path}: the tokenizer counts {tokens} tokens, the model has embeddings for {rows}; "
            "they do not belong together, or the model was not resized after tokens were added."
        )
        raise UserError(message.format(path=path, tokens=highest + 1, rows=rows))


def _named(folders: Iterable[Path | str]) -> Iterator[tuple[str, Path]]:
    """(name, folder) of everything that looks like a model, in order of the folders."""
    for given in folders:
        folder = Path(given).expanduser().absolute()
        if not folder.is_dir():
            continue
        if _looks_like_model(folder):
            yield folder.name, folder
            continue
        for child in sorted(folder.iterdir()):
            if child.name.startswith("models--"):
                yield from _hub_snapshot(child)
            elif child.is_dir() and _looks_like_model(child):
                yield child.name, child


def _looks_like_model(folder: Path) -> bool:
    try:
        names = {child.name for child in folder.iterdir()}
    except OSError:
        return False
    return not names.isdisjoint(_CONFIGS) or any(n.endswith(".safetensors") for n in names)


def _hub_snapshot(folder: Path) -> Iterator[tuple[str, Path]]:
    """The newest snapshot of a Hugging Face cache folder `models--OWNER--NAME`."""
    name = folder.name.removeprefix("models--").replace("--", "/")
    reference = folder / "refs" / "main"
    snapshots = sorted((folder / "snapshots").glob("*"), key=lambda p: p.lstat().st_mtime)
    if reference.is_file():
        pinned = folder / "snapshots" / reference.read_text(encoding="utf-8").strip()
        snapshots += [pinned] if pinned.is_dir() else []
    if snapshots:
        yield name, snapshots[-1]


def _refuse_dangling(path: Path) -> None:
    for child in sorted(path.iterdir()):
        if child.is_symlink() and not child.exists():
            raise UserError(_dangling(child))


def _dangling(link: Path) -> str:
    message = _(
        "{path} is a link to {target}, which is not there: a Hugging Face cache was copied without "
        "its blobs. Copy the model again with `cp -rL`, which follows links."
    )
    return message.format(path=link, target=link.readlink())


def _gguf_hint(path: Path) -> str:
    if not any(path.glob("*.gguf")):
        return ""
    return " " + _("GGUF files are for llama.cpp; the original folder with safetensors is needed.")


def _check_config(path: Path) -> None:
    config = read_json(path, _CONFIGS[0])
    for name in (_CONFIGS[0], "tokenizer_config.json"):
        values = config if name == _CONFIGS[0] else {}
        if name != _CONFIGS[0] and (path / name).is_file():
            values = read_json(path, name)
        if values.get("auto_map"):
            message = _(
                "{path} wants to run Python code of its own (auto_map in {file}), which kwtui "
                "never does. If transformers knows this architecture, delete that entry."
            )
            raise UserError(message.format(path=path, file=name))
    if not isinstance(config.get("model_type"), str):
        message = _("{path}/config.json names no model_type; it is no model's configuration.")
        raise UserError(message.format(path=path))
    named = _architecture(config)
    if config.get("is_encoder_decoder") or (named and not named.endswith(_ARCHITECTURES)):
        message = _("{path} is a {architecture}, not a causal language model.")
        raise UserError(message.format(path=path, architecture=named or config["model_type"]))


def _check_weights(path: Path) -> Weights:
    weights = read_weights(path)
    if weights.size:
        return weights
    pickles = [p.name for pattern in _PICKLES for p in sorted(path.glob(pattern))]
    pickles = [name for name in pickles if name not in _NOT_WEIGHTS]
    if pickles:
        message = _(
            "{path} has its weights only as a pickle ({file}), which can run code when it is read. "
            "Get the model as safetensors, or convert it where you trust it: load it with "
            "transformers and call save_pretrained."
        )
        raise UserError(message.format(path=path, file=pickles[0]))
    message = _("{path} has no weights: *.safetensors are missing.")
    raise UserError(message.format(path=path) + _gguf_hint(path))


def _check_tokenizer(path: Path, weights: Weights) -> None:
    if not any((path / name).is_file() for name in _TOKENIZERS):
        message = _("{path} has no tokenizer: tokenizer.json or tokenizer.model is missing.")
        raise UserError(message.format(path=path))
    if weights.embeddings and (path / "tokenizer.json").is_file():
        highest = _highest_token(read_json(path, "tokenizer.json"))
        refuse_small_embedding(path, weights.embeddings, highest)


def _highest_token(tokenizer: dict[str, Any]) -> int:
    """The highest id that ordinary text can give; special tokens may lie beyond (Gemma 3 1B)."""
    added = tokenizer.get("added_tokens") or []
    special = {token.get("id") for token in added if token.get("special")}
    ids = [token.get("id", -1) for token in added if not token.get("special")]
    vocabulary = (tokenizer.get("model") or {}).get("vocab") or {}
    if isinstance(vocabulary, dict):
        ids += [number for number in vocabulary.values() if number not in special]
    else:
        ids.append(len(vocabulary) - 1)
    return max(ids, default=-1)


def _context(config: dict[str, Any]) -> int:
    """Tokens that prompt and answer may have together."""
    nested = config.get("text_config")
    for values in (config, nested if isinstance(nested, dict) else {}):
        for key in ("max_position_embeddings", "n_positions", "max_seq_len"):
            if isinstance(values.get(key), int):
                return int(values[key])
    return 0


def _architecture(config: dict[str, Any]) -> str:
    names = config.get("architectures") or [""]
    return str(names[0])


def _with(info: ModelInfo, **changes: Any) -> ModelInfo:
    from dataclasses import replace

    return replace(info, **changes)
