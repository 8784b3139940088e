"""The families of models that Hugging Face folders hold."""

from __future__ import annotations

from kpt.interop.decoder_families import ARCEE, GPT2, LLAMA, QWEN2
from kpt.interop.encoder_families import ALBERT, BERT, DISTILBERT, ELECTRA, ESM, ROBERTA
from kpt.interop.family import Family

__all__ = ["FAMILIES"]

#: Every family by its `model_type`; of those that a model could be written as, the first one is taken.
FAMILIES: dict[str, Family] = {
    family.model_type: family for family in (BERT, ROBERTA, DISTILBERT, ALBERT, ELECTRA, ESM, GPT2, LLAMA, QWEN2, ARCEE)
}
