"""The recipe of a model from nothing: its shape, its vocabulary, its data and its training."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", protected_namespaces=())


class ModelShape(_Strict):
    """A new model: Gemma 3 text architecture with tied embeddings."""

    hidden_size: int = Field(256, ge=16, description="width of the residual stream")
    layers: int = Field(5, ge=1, description="number of decoder layers")
    heads: int = Field(4, ge=1, description="attention heads")
    kv_heads: int = Field(2, ge=1, description="key and value heads")
    head_dim: int = Field(64, ge=8, description="width of a head")
    intermediate_size: int = Field(768, ge=16, description="width of the feed-forward layer")
    context: int = Field(2048, ge=128, description="longest input in tokens")


class VocabularyShape(_Strict):
    """A new SentencePiece vocabulary of single characters and JSON delimiters."""

    min_count: int = Field(3, ge=1, description="a character enters when it is seen this often")
    extra: str = Field("", description="characters that enter in any case")


class DataSource(_Strict):
    """A file of labeled texts (JSON Lines, also .xz) and how often each text is used."""

    file: str
    weight: int = Field(1, ge=1, description="times each text is drawn in one pass")
    last_weight: int | None = Field(
        None, ge=0, description="the same while the learning rate falls; weight when not given"
    )
    note: str = Field("", description="a note line that marks this source in the prompt")
    note_share: float = Field(0.9, ge=0, le=1, description="share of prompts that carry the note")


class Data(_Strict):
    """What a model is trained on."""

    sources: list[DataSource]
    kinds: str = Field("", description="TSV of kinds: label, names, english, description, held_out")
    exclude_terms: str = Field(
        "", description="file of words; a text that holds one is left out of training"
    )


class Variety(_Strict):
    """Shares (0 to 1) of prompts that carry each part, so that a model learns to use them all."""

    plain_first: int = Field(2_000_000, ge=0, description="first tokens: bare prompts only")
    plain_last: float = Field(
        0, ge=0, le=1, description="share of bare prompts while the learning rate falls"
    )
    wording: float = Field(0.4, ge=0, le=1, description="instruction in another wording")
    english: float = Field(0.07, ge=0, le=1, description="English template")
    kinds: float = Field(0.45, ge=0, le=1, description="names the kinds wanted")
    absent_kinds: float = Field(0.35, ge=0, le=1, description="of these: no such kind in the text")
    descriptions: float = Field(0.3, ge=0, le=1, description="of these: with descriptions")
    terms: float = Field(0.3, ge=0, le=1, description="glossary lines")
    exclude: float = Field(0.1, ge=0, le=1, description="words that are no keywords")
    shots: float = Field(0.1, ge=0, le=1, description="one to three solved examples")
    feedback: float = Field(0.08, ge=0, le=1, description="a second turn with feedback")
    invented: float = Field(0.1, ge=0, le=1, description="a keyword replaced by an invented word")
    swapped: float = Field(
        0, ge=0, le=1, description="keywords replaced by others of their kind, in bare prompts too"
    )


class Optimisation(_Strict):
    """How the weights are moved."""

    tokens: int = Field(20_000_000, ge=1000, description="padded training tokens in all")
    tokens_per_batch: int = Field(3072, ge=128, description="padded tokens a step")
    learning_rate: float = Field(1.5e-3, gt=0)
    warmup_steps: int = Field(200, ge=0)
    decay_share: float = Field(
        0.25, ge=0, le=1, description="last share of steps, in which the learning rate falls"
    )
    weight_decay: float = Field(0.05, ge=0)
    text_loss_weight: float = Field(0.3, ge=0, le=1, description="loss weight of the text's tokens")
    max_length: int = Field(640, ge=32, description="longer examples get a bare prompt")
    precision: Literal["float32", "bf16"] = Field("bf16", description="autocast type")
    save_steps: int = Field(500, ge=1, description="steps between checkpoints")
    average_last: int = Field(
        1, ge=1, description="the model is the mean of the last so many checkpoints"
    )
    threads: int = Field(0, ge=0, description="CPU threads; 0 takes all cores")


class ScratchRecipe(_Strict):
    """A model from nothing: vocabulary, weights and training in one recipe."""

    method: Literal["scratch"] = "scratch"
    name: str = "model"
    seed: int = 7
    start: str = Field(
        "", description="folder of a model of this shape: go on from its weights and tokenizer"
    )
    model: ModelShape = ModelShape()
    vocabulary: VocabularyShape = VocabularyShape()
    data: Data
    variety: Variety = Variety()
    optimisation: Optimisation = Optimisation()
