from __future__ import annotations

import base64
import io
import re

import matplotlib.image
import numpy as np
import pytest

from kpt.errors import InputError
from kpt.evaluation.attention_maps import AttentionMaps
from kpt.evaluation.attention_picture import attention_figure, attention_section

WEIGHTS = np.array([[[[1.0, 0.0], [0.5, 0.5]], [[0.0, 1.0], [0.25, 0.75]]]] * 2, "float32")
MAPS = AttentionMaps(["<a>", " b\n"], WEIGHTS, 5, 3)


def pixels(address: str) -> np.ndarray:
    data = base64.b64decode(address.removeprefix("data:image/png;base64,"))
    return np.round(matplotlib.image.imread(io.BytesIO(data)) * 255).astype(int)


def test_the_section_has_every_map_with_the_tokens_on_both_sides() -> None:
    section = attention_section(MAPS)
    assert section.count("<svg") == 2 * (1 + 2) and "<script" not in section and "http" not in section
    assert section.count(">&lt;a&gt;</text>") == section.count(">\u2423b\u23ce</text>") == 2 * 2 * (1 + 2)
    assert "The first 2 of 5 tokens are shown" in section and "not the 3 after them" in section
    assert "<details open><summary>Layer 2 of 2" in section and "<details><summary>Layer 1 of 2" in section
    assert "<details open><summary>Layer 1 of 2" in attention_section(MAPS, 1)
    assert "Layer 1, mean over 2 heads; the largest weight is 0.625" in section
    images = re.findall(r'href="([^"]+)"', section)
    assert pixels(images[0])[..., 3].tolist() == [[204, 204], [153, 255]]  # 0.5 0.5 0.375 0.625, the largest opaque
    assert pixels(images[1])[..., 3].tolist() == [[255, 0], [128, 128]]
    with pytest.raises(InputError, match="no layer 3; the model has layers 1 to 2"):
        attention_section(MAPS, 3)


def test_the_figure_is_of_one_map() -> None:
    axes, bar = attention_figure(MAPS, 1, 2).axes
    np.testing.assert_array_equal(axes.images[0].get_array(), WEIGHTS[0, 1])
    for labels in (axes.get_xticklabels(), axes.get_yticklabels()):
        assert [label.get_text() for label in labels] == ["<a>", "\u2423b\u23ce"]
    assert axes.get_xlabel() == "what it attends to, in layer 1 of 2, head 2 of 2"
    assert bar.get_ylim() == (0.0, 1.0)
    assert "layer 2 of 2, mean over 2 heads" in attention_figure(MAPS).axes[0].get_xlabel()
    with pytest.raises(InputError, match="no head 3"):
        attention_figure(MAPS, head=3)


def test_a_long_token_is_cut() -> None:
    section = attention_section(MAPS._replace(pieces=["a" * 16, "b" * 17]))
    assert f">{'a' * 16}</text>" in section and f">{'b' * 15}\u2026</text>" in section
