from __future__ import annotations

import numpy as np

from kpt.evaluation.attribution_picture import attribution_figure, attribution_section
from kpt.evaluation.attributions import Attributions

FOUND = Attributions(["a", "<b>", "$c$"], np.array([0.5, -1.0, 0.0]), "x & y", 1.25, -0.5)


def test_the_section_shows_each_token_as_strongly_as_it_counts() -> None:
    section = attribution_section(FOUND)
    assert '<span style="background: rgba(0, 121, 107, 0.500)" title="+0.5000">a</span>' in section
    assert '<span style="background: rgba(198, 72, 28, 1.000)" title="-1.0000">&lt;b&gt;</span>' in section
    assert "The logit of x &amp; y is 1.250, without the text -0.500." in section and "<script" not in section


def test_the_bars_of_a_long_text_are_its_largest() -> None:
    bars = attribution_figure(FOUND).axes[0]
    assert [label.get_text() for label in bars.get_yticklabels()] == ["a", "<b>", "$c$"]
    assert [bar.get_width() for bar in bars.patches] == [0.5, -1.0, 0.0]
    long = FOUND._replace(pieces=["t"] * 200, values=np.linspace(-1, 1, 200), label=None)
    assert len(attribution_figure(long).axes[0].patches) == 60  # a long text does not make a tower
