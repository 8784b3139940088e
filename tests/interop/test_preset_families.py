from __future__ import annotations

import inspect

import pytest

from kpt.interop.family import Family
from kpt.interop.preset_families import PRESETS
from kpt.models import Decoder, Encoder


@pytest.mark.parametrize("family", PRESETS.values(), ids=PRESETS)
def test_a_table_says_all_of_its_backbone(family: Family) -> None:
    cls = Encoder if family.backbone == "encoder" else Decoder
    names = set(inspect.signature(cls.__init__).parameters) - {"self", "dtype", "kwargs", "remat"}
    if cls is Decoder:  # GPT-2 shares no keys and has no rotary positions; weights are read, not drawn
        names -= {"key_value_heads", "rotary_base", "rotary_scaling", "initial_deviation"}
    assert set(family.settings) | set(family.fixed) == names
    assert not set(family.settings) & set(family.fixed)


def test_blocks_are_groups_in_the_file() -> None:
    names = PRESETS["BertBackbone"].tensors["block_{i}/attention/qkv"]
    assert names[0] == "transformer_encoder/{i}/_self_attention_layer/query_dense" and len(names) == 3
