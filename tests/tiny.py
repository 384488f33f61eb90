"""Tiny models with random weights and real tokenizers, made in a second for tests."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

TEXTS = (
    "진통과 해열 효과가 있는 파스형 의약품은 임산부와 노인에게 적합합니다.",
    "두통, 치통, 생리통이 있을 때 한 알을 드십시오.",
    "아세트아미노펜과 이부프로펜은 간질환 환자가 조심해야 합니다.",
    "이 연고는 눈에 넣지 마십시오.",
    "The gel contains ibuprofen (5 %), for adults only.",
    "노인과 임산부는 의사와 상의하십시오.",
    "소화불량·위염 환자용 현탁액으로, 하루 3회 10 mL씩 복용합니다.",
    "운전 전에는 먹지 마십시오.",
)
HEAD = "다음 글에서 키워드를 찾아 JSON 배열로 답하세요.\n종류: 약효, 증상, 제형\n글: "
JSON_PIECES = ['["', '","', '"]', "[]"]
CHAT = (
    "{{ bos_token }}{% for m in messages %}<start_of_turn>{{ 'model' if m['role'] == 'assistant' "
    "else m['role'] }}\n{{ m['content'] }}<end_of_turn>\n{% endfor %}"
    "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
TURNS = ["<start_of_turn>", "<end_of_turn>"]


def sentencepiece_tokenizer(folder: Path, texts: Iterable[str] = TEXTS) -> Any:
    """A Gemma tokenizer (SentencePiece BPE with byte fallback), trained on `texts`."""
    import sentencepiece
    from transformers import GemmaTokenizer

    folder.mkdir(parents=True, exist_ok=True)
    corpus = folder / "corpus.txt"
    corpus.write_text("\n".join([*texts, HEAD.replace("\n", " ")]), encoding="utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(corpus),
        model_prefix=str(folder / "tokenizer"),
        model_type="bpe",
        vocab_size=480,
        hard_vocab_limit=False,
        byte_fallback=True,
        add_dummy_prefix=False,
        remove_extra_whitespaces=False,
        normalization_rule_name="identity",
        character_coverage=1.0,
        pad_id=0,
        eos_id=1,
        bos_id=2,
        unk_id=3,
        pad_piece="<pad>",
        eos_piece="<eos>",
        bos_piece="<bos>",
        user_defined_symbols=[*TURNS, *JSON_PIECES],
        minloglevel=2,
    )
    tokenizer = GemmaTokenizer.from_pretrained(str(folder))
    corpus.unlink()
    return tokenizer


def byte_tokenizer(texts: Iterable[str] = TEXTS, size: int = 480) -> Any:
    """A byte-level BPE tokenizer (as GPT-2, Llama 3 and Qwen have), trained on `texts`."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=["<pad>", "<eos>", "<bos>", *TURNS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    inner.train_from_iterator([*texts, HEAD, '["진통","해열"]'], trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="<pad>", eos_token="<eos>", bos_token="<bos>"
    )


def random_model(family: str, vocabulary: int, **changes: Any) -> Any:
    """A causal model of `family` (a transformers model_type) with sharp random weights."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(7)
    values = {
        "vocab_size": vocabulary,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "max_position_embeddings": 2048,
        "initializer_range": 0.3,
        "pad_token_id": 0,
        "eos_token_id": 1,
        "bos_token_id": 2,
        **changes,
    }
    config = AutoConfig.for_model(family, **values)
    return AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()


def loaded(family: str, tokenizer: Any, **changes: Any) -> Any:
    """A random model with `tokenizer` as `engines.models.loading.load` would give it."""
    import torch

    from engines.models.loading import LoadedModel

    # Logits are a little wider than the tokenizer, as in most released models.
    model = random_model(family, len(tokenizer) + 3, **changes)
    return LoadedModel(model, tokenizer, family, Path(family), torch.device("cpu"), torch.float32)


def write_model(folder: Path, *, chat: bool = True) -> Path:
    """A complete model folder on disk: tiny Gemma 3, SentencePiece tokenizer, safetensors."""
    tokenizer = sentencepiece_tokenizer(folder)
    if chat:
        tokenizer.chat_template = CHAT
    tokenizer.save_pretrained(folder)
    random_model("gemma3_text", len(tokenizer)).save_pretrained(folder)
    return folder


def edit_json(path: Path, **changes: Any) -> None:
    """Set keys of a JSON file."""
    values = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**values, **changes}), encoding="utf-8")
