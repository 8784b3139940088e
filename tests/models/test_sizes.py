from __future__ import annotations

import pytest

from kpt.errors import InputError
from kpt.models import GPT2_SIZES, SIZES, Decoder, Encoder, bert_config, decoder_config, encoder_config, gpt2_config

# google-research/bert at a vocabulary of 30,522, with 512 positions, two segments and the pooler.
PUBLISHED = {
    "tiny": 4_385_920,
    "mini": 11_170_560,
    "small": 28_763_648,
    "medium": 41_373_184,
    "base": 109_482_240,
    "large": 335_141_888,
}
VOCABULARY = 30_522


def by_formula(depth: int, width: int) -> int:
    embeddings = (VOCABULARY + 512 + 2) * width + 2 * width  # tokens, positions, segments; normalization
    attention = 4 * (width * width + width) + 2 * width  # queries, keys, values, output; normalization
    feed_forward = (width * 4 * width + 4 * width) + (4 * width * width + width) + 2 * width
    return embeddings + depth * (attention + feed_forward) + width * width + width


@pytest.mark.parametrize("size", PUBLISHED)
def test_the_published_parameter_counts(size: str) -> None:
    config = bert_config(size)
    assert by_formula(config["depth"], config["width"]) == PUBLISHED[size]
    # The embedding grows by a row with each entry and the stack by a block: a small model says what each costs.
    small = Encoder(1, **{**config, "depth": 1})
    blocks = (config["depth"] - 1) * small.get_layer("block_0").count_params()
    assert small.count_params() + blocks + (VOCABULARY - 1) * config["width"] == PUBLISHED[size]


def test_tiny_in_full() -> None:
    assert Encoder(VOCABULARY, **bert_config("tiny")).count_params() == 4_385_920


def test_the_sizes() -> None:
    assert {size: (config["depth"], config["width"], config["heads"]) for size, config in configs().items()} == {
        "tiny": (2, 128, 2),
        "mini": (4, 256, 4),
        "small": (4, 512, 8),
        "medium": (8, 512, 8),
        "base": (12, 768, 12),
        "large": (24, 1024, 16),
    }


def configs() -> dict[str, dict]:
    return {size: bert_config(size) for size in SIZES}


def test_the_recipe_for_small_corpora() -> None:
    assert encoder_config("mini") == {
        "depth": 4,
        "width": 256,
        "heads": 4,
        "positions": "rotary",
        "scale_embedding": True,
        "segments": 0,
        "norm_first": True,
        "dropout": 0.0,
        "epsilon": 1e-6,
    }


# openai/gpt-2 at a vocabulary of 50,257 and 1,024 positions.
GPT2 = {"small": 124_439_808, "medium": 354_823_168, "large": 774_030_080, "xl": 1_557_611_200}


@pytest.mark.parametrize("size", GPT2)
def test_the_parameter_counts_of_gpt2(size: str) -> None:
    config = gpt2_config(size)
    # As above: a row of the embedding and a block from a small model say what the published one has.
    small = Decoder(1, **{**config, "depth": 1})
    blocks = (config["depth"] - 1) * small.blocks[0].count_params()
    assert small.count_params() + blocks + 50_256 * config["width"] == GPT2[size]


def test_the_sizes_of_gpt2() -> None:
    sizes = {size: tuple(gpt2_config(size).values()) for size in GPT2_SIZES}
    assert sizes == {
        "tiny": (2, 128, 2),
        "mini": (4, 256, 4),
        "small": (12, 768, 12),
        "medium": (24, 1024, 16),
        "large": (36, 1280, 20),
        "xl": (48, 1600, 25),
    }


def test_the_recipe_of_decoders_for_small_corpora() -> None:
    assert decoder_config("mini") == {
        "depth": 4,
        "width": 256,
        "heads": 4,
        "initial_deviation": 0.0395,
        "positions": "rotary",
        "normalization": "rms_norm",
        "activation": "squared_relu",
        "scale_embedding": True,
        "dropout": 0.0,
        "use_bias": False,
        "epsilon": 1e-6,
    }


@pytest.mark.parametrize("config", [gpt2_config, decoder_config])
def test_an_unknown_size_of_decoders(config: object) -> None:
    with pytest.raises(InputError, match=r"no size 'smal': choose one of tiny, .*, xl; did you mean 'small'"):
        config("smal")


@pytest.mark.parametrize("config", [bert_config, encoder_config])
def test_an_unknown_size(config: object) -> None:
    with pytest.raises(InputError, match=r"no size 'bsae': choose one of tiny, .*, large; did you mean 'base'"):
        config("bsae")
    with pytest.raises(
        InputError, match=r"There is no size '7b': choose one of tiny, mini, small, medium, base, large$"
    ):
        config("7b")
