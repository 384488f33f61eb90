"""A model from nothing: its data, its vocabulary and its first weights."""

from __future__ import annotations

import json
import lzma
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from engines.training.replacing import Labeled
from engines.training.scratch_recipe import Data, ModelShape, VocabularyShape
from glossary.errors import UserError
from glossary.i18n import _
from glossary.text import normalise

# Pieces that are one token each: turns, the line end, the delimiters of a JSON array, and words
# that stand in every prompt of the default template and hardly ever in a text.
WHOLE_PIECES = (
    *("<start_of_turn>", "<end_of_turn>", "<mask>", "\n", '["', '","', '"]', "[]"),
    *("user\n", "model\n", "다음", "키워드를", "JSON", "배열로", "답하세요.", "글:", "답:"),
)

# What makes weights of one model fit another.
_SHAPE = (
    *("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads"),
    *("num_key_value_heads", "head_dim", "intermediate_size"),
)

CHAT_TEMPLATE = (
    "{{ bos_token }}{% set system = '' %}"
    "{% if messages[0]['role'] == 'system' %}"
    "{% set system = messages[0]['content'] + '\n\n' %}{% set messages = messages[1:] %}{% endif %}"
    "{% for message in messages %}"
    "{% set role = 'model' if message['role'] == 'assistant' else message['role'] %}"
    "<start_of_turn>{{ role }}\n"
    "{% if loop.first %}{{ system }}{% endif %}{{ message['content'] }}<end_of_turn>\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)


def read_source(path: Path) -> Iterator[dict[str, Any]]:
    """Records of a JSON Lines file, xz-compressed or not."""
    if not path.is_file():
        raise UserError(_("{path}: the recipe's data file is not there.").format(path=path))
    opener = lzma.open if path.suffix == ".xz" else open
    with opener(path, "rt", encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def read_labeled(data: Data, folder: Path) -> tuple[list[Labeled], list[tuple[int, int]], int]:
    """Texts, how often each is drawn (first, last), how many a word of `exclude_terms` left out."""
    matcher = word_search(folder / data.exclude_terms) if data.exclude_terms else None
    records: list[Labeled] = []
    weights: list[tuple[int, int]] = []
    left_out = 0
    for source in data.sources:
        for row in read_source(folder / source.file):
            if normalise(row["text"]) != row["text"]:
                continue
            if matcher is not None and next(matcher.iter(row["text"]), None) is not None:
                left_out += 1
                continue
            spans = tuple((s, e, label) for s, e, label in row.get("spans", ()))
            labeled = Labeled(
                row["text"], tuple(row["keywords"]), spans, source.note, source.note_share
            )
            records.append(labeled)
            last = source.weight if source.last_weight is None else source.last_weight
            weights.append((source.weight, last))
    return records, weights, left_out


def word_search(path: Path) -> Any:
    """An automaton of the file's words, one a line: `iter(text)` finds those in a text."""
    import ahocorasick

    automaton = ahocorasick.Automaton()
    for word in path.read_text(encoding="utf-8").split("\n"):
        if word:
            automaton.add_word(word, word)
    automaton.make_automaton()
    return automaton


def character_set(texts: Sequence[str], shape: VocabularyShape) -> list[str]:
    """Characters of the vocabulary: KS X 1001 syllables, ASCII, and those seen often enough."""
    counts = Counter(char for text in texts for char in text)
    chars = {c for c, n in counts.items() if n >= shape.min_count}
    chars |= {
        bytes([row, cell]).decode("euc-kr")
        for row in range(0xB0, 0xC9)
        for cell in range(0xA1, 0xFF)
    }
    chars |= {chr(code) for code in range(33, 127)} | set(shape.extra)
    return sorted(c for c in chars if not c.isspace())


def build_tokenizer(texts: Sequence[str], shape: VocabularyShape, folder: Path) -> Any:
    """Train a SentencePiece BPE model of single characters with byte fallback, and load it.

    One piece a character: a word then has the same pieces inside the text and in the answer,
    which is what copying needs.
    """
    import sentencepiece

    # A start that was killed here leaves files that are half written.
    for left in folder.glob("token*"):
        left.unlink()
    chars = character_set(texts, shape)
    known = {*chars, " "}
    lines = ("".join(c for c in text if c in known) for text in texts)
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_prefix=str(folder / "tokenizer"),
        model_type="bpe",
        vocab_size=4 + 256 + len(WHOLE_PIECES) + len(chars) + 1,
        max_sentencepiece_length=1,
        byte_fallback=True,
        character_coverage=1.0,
        required_chars="".join(chars),
        user_defined_symbols=list(WHOLE_PIECES),
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        add_dummy_prefix=False,
        hard_vocab_limit=False,
        pad_id=0,
        eos_id=1,
        bos_id=2,
        unk_id=3,
        pad_piece="<pad>",
        eos_piece="<eos>",
        bos_piece="<bos>",
        unk_piece="<unk>",
        num_threads=1,
        minloglevel=2,
    )
    (folder / "tokenizer.vocab").unlink()
    return _save_tokenizer(folder)


def _save_tokenizer(folder: Path) -> Any:
    """Write tokenizer.json in step with tokenizer.model, with its config, and load them."""
    from tokenizers import AddedToken
    from tokenizers.processors import TemplateProcessing
    from transformers import AutoTokenizer, GemmaTokenizer

    tokenizer = GemmaTokenizer.from_pretrained(folder)
    fast = tokenizer.backend_tokenizer
    fast.add_tokens([AddedToken(p, normalized=False) for p in WHOLE_PIECES if p[0] != "<"])
    fast.add_special_tokens([AddedToken(p, normalized=False) for p in WHOLE_PIECES if p[0] == "<"])
    fast.post_processor = TemplateProcessing(
        single="<bos> $A",
        pair="<bos> $A <bos> $B",
        special_tokens=[("<bos>", tokenizer.bos_token_id)],
    )
    state = json.loads(fast.to_str())
    for token in state["added_tokens"]:
        token["special"] = token["content"].startswith("<")
    (folder / "tokenizer.json").write_text(
        json.dumps(state, ensure_ascii=False, indent=1) + "\n", encoding="utf-8"
    )
    config = {
        "tokenizer_class": "GemmaTokenizer",
        "bos_token": "<bos>",
        "eos_token": "<eos>",
        "pad_token": "<pad>",
        "unk_token": "<unk>",
        "mask_token": "<mask>",
        "extra_special_tokens": ["<start_of_turn>", "<end_of_turn>"],
        "add_bos_token": True,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")
    (folder / "chat_template.jinja").write_text(CHAT_TEMPLATE, encoding="utf-8")
    return AutoTokenizer.from_pretrained(folder)


def build_model(shape: ModelShape, tokenizer: Any, seed: int) -> Any:
    """A Gemma 3 text model with random weights, its generation config set to stop at turn ends."""
    import torch
    from transformers import Gemma3ForCausalLM

    torch.manual_seed(seed)
    config = _config(shape, tokenizer)
    model = Gemma3ForCausalLM(config)
    eos, turn_end = config.eos_token_id
    model.generation_config.eos_token_id = [turn_end, eos]
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.generation_config.bos_token_id = tokenizer.bos_token_id
    model.generation_config.do_sample = False
    return model


def _config(shape: ModelShape, tokenizer: Any) -> Any:
    from transformers import Gemma3TextConfig

    turn_end = tokenizer.convert_tokens_to_ids("<end_of_turn>")
    return Gemma3TextConfig(
        vocab_size=len(tokenizer),
        hidden_size=shape.hidden_size,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        head_dim=shape.head_dim,
        intermediate_size=shape.intermediate_size,
        max_position_embeddings=shape.context,
        sliding_window=shape.context,
        layer_types=["full_attention"] * shape.layers,
        query_pre_attn_scalar=shape.head_dim,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=[tokenizer.eos_token_id, turn_end],
        tie_word_embeddings=True,
        dtype="float32",
    )


def take_up(first: Path, shape: ModelShape, folder: Path) -> tuple[Any, Any]:
    """Tokenizer and float32 model of the folder `first`; its tokenizer's files go into `folder`.

    Raises UserError when that model is not there or has another shape.
    """
    import torch
    from transformers import AutoTokenizer, Gemma3ForCausalLM

    from engines.models.registry import check_folder

    check_folder(first)
    tokenizer = AutoTokenizer.from_pretrained(first)
    model = Gemma3ForCausalLM.from_pretrained(first, dtype=torch.float32)
    there, wanted = model.config.to_dict(), _config(shape, tokenizer).to_dict()
    for key in _SHAPE:
        if there.get(key) != wanted[key]:
            message = _("{path}: {key} is {there}, the recipe's is {wanted}: give both one shape.")
            raise UserError(
                message.format(path=first, key=key, there=there.get(key), wanted=wanted[key])
            )
    for file in sorted(first.glob("*token*")):
        if file.suffix in (".json", ".model"):
            shutil.copyfile(file, folder / file.name)
    shutil.copyfile(first / "chat_template.jinja", folder / "chat_template.jinja")
    return tokenizer, model
