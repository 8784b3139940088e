from __future__ import annotations

import inspect

import pytest

from kpt.interop.families import FAMILIES
from kpt.interop.family import Family
from kpt.models import Decoder, Encoder


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_a_table_says_all_of_its_backbone(family: Family) -> None:
    cls = Encoder if family.backbone == "encoder" else Decoder
    free = {"self", "dtype", "kwargs", "remat"} | ({"pooler", "attention_dropout"} if cls is Encoder else set())
    # GPT-2 shares no keys and has no rotary positions; Llama drops nothing but attention.
    free |= {"dropout", "key_value_heads", "rotary_base", "rotary_scaling"} if cls is Decoder else set()
    names = set(inspect.signature(cls.__init__).parameters)
    described = set(family.settings) | set(family.fixed)
    assert names - free <= described <= names
    assert not set(family.settings) & set(family.fixed)


def test_tables_have_the_tensors_of_published_checkpoints() -> None:
    bert, gpt2, llama = (FAMILIES[name].tensors for name in ("bert", "gpt2", "llama"))
    assert bert["block_{i}/attention/qkv"][0] == "encoder.layer.{i}.attention.self.query"
    assert gpt2["block_{i}/attention/qkv"] == ("h.{i}.attn.c_attn",)
    assert llama["block_{i}/feed_forward/hidden"] == ("layers.{i}.mlp.gate_proj", "layers.{i}.mlp.up_proj")
    assert FAMILIES["bert"].architectures[frozenset({"masked_lm", "next_sentence"})] == "BertForPreTraining"
