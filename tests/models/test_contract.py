from __future__ import annotations

from pathlib import Path

import pytest

from tests.batches import inputs_of, random_batch, tiny_encoder
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
}


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("case", CASES)
def test_contract(case: str, check: str, tmp_path: Path) -> None:
    CHECKS[check](CASES[case], tmp_path)


def test_every_model_is_under_contract() -> None:
    assert {case.split()[0] for case in CASES} == classes_of("kpt.models")
