"""What was found about one text as one file: a page, or an image."""

from __future__ import annotations

from pathlib import Path

import matplotlib

from kpt.errors import InputError
from kpt.evaluation.attention_maps import AttentionMaps
from kpt.evaluation.attention_picture import attention_figure, attention_section
from kpt.evaluation.attribution_picture import attribution_figure, attribution_section
from kpt.evaluation.attributions import Attributions
from kpt.files import atomic_file

__all__ = ["explanation_html", "write_explanation"]

STYLE = """
body { font: 1.1rem/2 sans-serif; max-width: 72rem; margin: 3rem auto; padding: 0 1rem; background: #fff; color: #111; }
.attributions span { padding: 0.15rem 0.25rem; border-radius: 0.2rem; }
summary { cursor: pointer; }
figure { margin: 0.5rem 0 1rem; overflow-x: auto; }
figcaption { font-size: 0.9rem; }
image, img { image-rendering: pixelated; }
img { border: 1px solid #bbb; }
.heads { display: flex; flex-wrap: wrap; gap: 1rem; }
.heads > details { font-size: 0.85rem; line-height: 1.4; }
.heads summary { list-style: none; text-align: center; width: 6.2rem; }
.heads > details[open] { flex-basis: 100%; }
"""


def explanation_html(found: Attributions | None, maps: AttentionMaps | None = None, layer: int | None = None) -> str:
    """Return a page with what each token adds, and the attention.

    Args:
        found: of `token_attributions`; None for none.
        maps: of `attention_maps`; None for none.
        layer: whose attention is open at first, from 1; by default the last.

    Returns:
        A whole page, without script and without anything outside itself.

    Raises:
        InputError: there is no such layer.
    """
    sections = ([] if found is None else [attribution_section(found)]) + (
        [] if maps is None else [attention_section(maps, layer)]
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>Explanation of a text</title><style>'
        f"{STYLE}</style></head><body>{''.join(sections)}</body></html>\n"
    )


def write_explanation(
    path: Path,
    found: Attributions | None,
    maps: AttentionMaps | None = None,
    layer: int | None = None,
    head: int | None = None,
) -> Path:
    """Write `explanation_html`, or an image: of one map of the attention where there is some, else of the attributions.

    Args:
        path: ends in `.html` or `.png`.
        found: of `token_attributions`; None for none.
        maps: of `attention_maps`; None for none.
        layer: of the map, from 1; by default the last. A page has all, and this one is open.
        head: of the map of an image, from 1; by default the mean over the heads.

    Raises:
        InputError: the name ends otherwise, there is no such layer or head, nothing to write, or no way to write it.
    """
    if found is None and maps is None:
        raise InputError("there is nothing to write; give attributions or attention")
    if path.suffix == ".html":
        page = explanation_html(found, maps, layer)
        with atomic_file(path) as temporary:
            temporary.write_text(page, encoding="utf-8")
        return path
    if path.suffix != ".png":
        raise InputError(f"{path} is neither a .html nor a .png file; name the picture so")
    with matplotlib.rc_context({"text.parse_math": False}):  # a token may be a dollar sign
        if maps is not None:
            figure = attention_figure(maps, layer, head)
        else:
            assert found is not None
            figure = attribution_figure(found)
        with atomic_file(path) as temporary:
            figure.savefig(temporary, format="png", dpi=150)
    return path
