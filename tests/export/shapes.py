"""Small models with random weights in the shape of every architecture that can be exported."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.tiny import CHAT, HEAD, TEXTS, TURNS, random_model, sentencepiece_tokenizer

LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN2 = LLAMA3.replace("{1,3}", "")
WORDS = ("아세트아미노펜", "임산부", "장용정")

# A wide distance between logits: what is compared is arithmetic, not the toss of a coin.
GEMMA = {"query_pre_attn_scalar": 8, "head_dim": 8}
LOCAL, FULL = "sliding_attention", "full_attention"
SHAPES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "gemma": ("gemma", "bpe", {}),
    "gemma2": ("gemma2", "bpe", {**GEMMA, "sliding_window": 16}),
    "gemma3": (
        "gemma3_text",
        "bpe",
        {**GEMMA, "sliding_window": 16, "num_hidden_layers": 7},
    ),
    "gemma3-every-third": (
        "gemma3_text",
        "bpe",
        {**GEMMA, "sliding_window": 16, "layer_types": [LOCAL, LOCAL, FULL]},
    ),
    "llama-unigram": ("llama", "unigram", {}),
    "llama3": (
        "llama",
        "llama3",
        {
            "tie_word_embeddings": True,
            "rope_parameters": {
                "rope_type": "llama3",
                "rope_theta": 500000.0,
                "factor": 8.0,
                "low_freq_factor": 1.0,
                "high_freq_factor": 4.0,
                "original_max_position_embeddings": 64,
            },
        },
    ),
    "mistral": ("mistral", "bpe", {"sliding_window": None}),
    "qwen2": ("qwen2", "qwen2", {}),
    "qwen3": ("qwen3", "qwen2", {"tie_word_embeddings": True}),
}


def byte_level(pattern: str, *, whole: bool, texts: Iterable[str] = TEXTS) -> Any:
    """A byte-level BPE tokenizer that splits with `pattern`, with terms added afterwards."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer(models.BPE(ignore_merges=whole))
    level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    split = pre_tokenizers.Split(Regex(pattern), "isolated")
    inner.pre_tokenizer = pre_tokenizers.Sequence([split, level])
    inner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=480,
        special_tokens=["<pad>", "<eos>", "<bos>", *TURNS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    inner.train_from_iterator([*texts, HEAD, '["진통","해열"]'], trainer)
    inner.add_tokens([AddedToken(word, normalized=False) for word in WORDS])
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="<pad>", eos_token="<eos>", bos_token="<bos>"
    )


def unigram(folder: Path, texts: Iterable[str] = TEXTS) -> Any:
    """A SentencePiece unigram tokenizer (a ▁ before the text), with terms among its pieces."""
    import sentencepiece
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    corpus = folder / "corpus.txt"
    corpus.write_text("\n".join([*texts, HEAD.replace("\n", " "), '["진통","해열"]']), "utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(corpus),
        model_prefix=str(folder / "unigram"),
        model_type="unigram",
        vocab_size=150,
        character_coverage=1.0,
        control_symbols=["<pad>", "<eos>", "<bos>", *TURNS],
        bos_id=-1,
        eos_id=-1,
        minloglevel=2,
    )
    corpus.unlink()
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(folder / "unigram.model"))
    rows = range(pieces.get_piece_size())
    vocabulary = [(pieces.id_to_piece(n), pieces.get_score(n)) for n in rows]
    vocabulary += [(word, -1.0) for word in WORDS]
    inner = Tokenizer(models.Unigram(vocabulary, unk_id=pieces.unk_id()))
    inner.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=False)
    inner.decoder = decoders.Metaspace(prepend_scheme="always")
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        pad_token="<pad>",
        eos_token="<eos>",
        bos_token="<bos>",
        unk_token="<unk>",
        additional_special_tokens=TURNS,
    )


def tokenizer(kind: str, folder: Path) -> Any:
    """A tokenizer of the kind "bpe", "unigram", "llama3" or "qwen2", with a chat template."""
    if kind == "bpe":
        made = sentencepiece_tokenizer(folder)
    elif kind == "unigram":
        made = unigram(folder)
    else:
        made = byte_level(LLAMA3 if kind == "llama3" else QWEN2, whole=kind == "llama3")
    made.chat_template = CHAT
    return made


def write_shape(name: str, folder: Path) -> Path:
    """A complete model folder in the shape `name` of `SHAPES`."""
    family, kind, changes = SHAPES[name]
    folder.mkdir(parents=True, exist_ok=True)
    made = tokenizer(kind, folder)
    made.save_pretrained(folder)
    special = {"bos_token_id": made.bos_token_id, "eos_token_id": made.eos_token_id}
    model = random_model(family, len(made), **special, **changes)
    _vary_norms(model)
    model.save_pretrained(folder)
    return folder


def _vary_norms(model: Any) -> None:
    """Norms start as ones and biases as zeros, which would hide a mistake in them."""
    import torch

    generator = torch.Generator().manual_seed(3)
    for _name, weight in model.named_parameters():
        if weight.dim() == 1:
            spread = 0.2 * torch.randn(weight.shape, generator=generator)
            weight.data += spread
