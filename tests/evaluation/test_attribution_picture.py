from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kpt.errors import InputError
from kpt.evaluation.attribution_picture import attribution_html, write_picture
from kpt.evaluation.attributions import Attributions

FOUND = Attributions(["a", "<b>", "$c$"], np.array([0.5, -1.0, 0.0]), "x & y", 1.25, -0.5)


def test_the_page_shows_each_token_as_strongly_as_it_counts(tmp_path: Path) -> None:
    page = attribution_html(FOUND)
    assert '<span style="background: rgba(0, 121, 107, 0.500)" title="+0.5000">a</span>' in page
    assert '<span style="background: rgba(198, 72, 28, 1.000)" title="-1.0000">&lt;b&gt;</span>' in page
    assert "The logit of x &amp; y is 1.250, without the text -0.500." in page and "<script" not in page
    assert write_picture(FOUND, tmp_path / "a.html").read_text(encoding="utf-8") == page


def test_the_image_is_a_png(tmp_path: Path) -> None:
    long = FOUND._replace(pieces=["t"] * 200, values=np.linspace(-1, 1, 200), label=None)
    for found in (FOUND, long):
        image = write_picture(found, tmp_path / "a.png").read_bytes()
        assert image.startswith(b"\x89PNG")
        assert int.from_bytes(image[20:24], "big") < 150 * 20  # a long text does not make a tower
    with pytest.raises(InputError, match=r"a\.jpg is neither a \.html nor a \.png file"):
        write_picture(FOUND, tmp_path / "a.jpg")
