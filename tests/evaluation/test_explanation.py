from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kpt.errors import InputError
from kpt.evaluation.attention_maps import AttentionMaps
from kpt.evaluation.attributions import Attributions
from kpt.evaluation.explanation import explanation_html, write_explanation

FOUND = Attributions(["a", "<b>", "$c$"], np.array([0.5, -1.0, 0.0]), "x & y", 1.25, -0.5)
MAPS = AttentionMaps(["a", "<b>", "$c$"], np.full((1, 2, 3, 3), 1 / 3, "float32"), 3, 0)


def test_a_page_has_what_was_found(tmp_path: Path) -> None:
    page = explanation_html(FOUND, MAPS)
    assert 'title="+0.5000">a</span>' in page and "Layer 1 of 1" in page
    assert write_explanation(tmp_path / "a.html", FOUND, MAPS).read_text(encoding="utf-8") == page
    assert "<h2>Attention" not in explanation_html(FOUND) and "title=" not in explanation_html(None, MAPS)


def test_the_image_is_a_png(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    bars = write_explanation(path, FOUND).read_bytes()
    one_map = write_explanation(path, FOUND, MAPS, 1, 2).read_bytes()
    assert bars.startswith(b"\x89PNG") and one_map.startswith(b"\x89PNG") and bars != one_map


def test_refusals(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.jpg is neither a \.html nor a \.png file"):
        write_explanation(tmp_path / "a.jpg", FOUND)
    with pytest.raises(InputError, match="nothing to write"):
        write_explanation(tmp_path / "a.html", None)
    with pytest.raises(InputError, match="no layer 2"):
        write_explanation(tmp_path / "a.html", FOUND, MAPS, 2)
    assert not list(tmp_path.iterdir())
