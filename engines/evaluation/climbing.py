"""Rungs that are trained from the ladder: which recipe each one is, and the model it gives."""

from __future__ import annotations

# Names of strategies that a training makes, in the order of the ladder, with their methods.
TRAINED = {"lora": "lora", "qlora": "qlora", "sft": "full", "tokenizer": "full"}
