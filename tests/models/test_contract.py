from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kpt.models import Decoder
from kpt.objectives import CausalLM, Pretrainer
from tests.batches import inputs_of, random_batch, tiny_decoder, tiny_encoder
from tests.contract import CHECKS, Case, classes_of

INPUTS = inputs_of(random_batch())

CASES = {
    "Encoder": Case(lambda **k: tiny_encoder(dropout=0.1, **k), INPUTS),
    "Encoder modern": Case(
        lambda **k: tiny_encoder(
            positions="rotary",
            norm_first=True,
            normalization="rms_norm",
            activation="silu",
            gated=True,
            use_bias=False,
            epsilon=1e-6,
            **k,
        ),
        INPUTS,
    ),
    "Encoder bare": Case(
        lambda **k: tiny_encoder(
            positions="sinusoidal",
            segments=0,
            pooler=False,
            scale_embedding=True,
            feed_forward_width=12,
            attention_dropout=0.3,
            **k,
        ),
        {name: INPUTS[name] for name in ("token_ids", "padding_mask")},
    ),
    "Encoder shared and factorized": Case(
        lambda **k: tiny_encoder(embedding_width=6, shared_blocks=True, pooler_activation="gelu", **k), INPUTS
    ),
}


def pretrainer(decoder: Decoder, case: Case) -> Pretrainer:
    """A model whose gradient reaches the free output too."""
    return Pretrainer(decoder, [CausalLM()])


def through_logits(decoder: Decoder, tensors: Any) -> Any:
    return decoder.logits(decoder(tensors)["sequence"])


PACKED = {
    "token_ids": INPUTS["token_ids"],
    "positions": np.tile(np.arange(9, dtype=np.int32) % 5, (4, 1)),
    "segment_ids": INPUTS["segment_ids"],
}
DECODERS = {
    "Decoder": Case(lambda **k: tiny_decoder(dropout=0.1, **k), PACKED),
    "Decoder modern": Case(
        lambda **k: tiny_decoder(
            positions="rotary",
            key_value_heads=2,
            normalization="rms_norm",
            activation="silu",
            gated=True,
            use_bias=False,
            qkv_bias=True,
            rotary_base=500.0,
            rotary_scaling={
                **{"factor": 8.0, "low_freq_factor": 1.0},
                **{"high_freq_factor": 4.0, "original_max_position_embeddings": 16},
            },
            tied=False,
            scale_embedding=True,
            initial_deviation=0.1,
            feed_forward_width=12,
            attention_dropout=0.3,
            **k,
        ),
        {name: random_batch()[name] for name in ("token_ids", "causal_labels", "causal_weights")},
        through_logits,
        pretrainer,
        self_labelled=True,
    ),
}
CASES |= DECODERS


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("case", CASES)
def test_contract(case: str, check: str, tmp_path: Path) -> None:
    CHECKS[check](CASES[case], tmp_path)


def test_every_model_is_under_contract() -> None:
    assert {case.split()[0] for case in CASES} == classes_of("kpt.models")
