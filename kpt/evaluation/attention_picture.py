"""Attention as a picture: a heat map for each layer and head, with the tokens on both sides."""

from __future__ import annotations

import base64
import html
import io

import matplotlib.image
import numpy as np
from matplotlib.figure import Figure

from kpt.evaluation.attention_maps import AttentionMaps

__all__ = ["attention_figure", "attention_section"]

#: Red, green and blue of the largest weight of a map; smaller ones are as much less opaque.
COLOUR = (0, 88, 148)
#: Pixels of a page: of a cell, of a line of text, and of a small map.
CELL, FONT, SMALL = 16, 11, 96
#: Characters of a token beside a map.
CHARACTERS = 16
#: What stands for white space beside a map.
VISIBLE = str.maketrans({" ": "\u2423", "\n": "\u23ce", "\t": "\u21e5"})


def attention_section(maps: AttentionMaps, layer: int | None = None) -> str:
    """Return a section of a page with a map for each layer, the mean over its heads, and one for each head.

    Each is opened by a click, without a script; a map's colours go from 0 to its largest weight, which is told.

    Args:
        maps: of `attention_maps`.
        layer: which is open at first, from 1; by default the last.

    Raises:
        InputError: there is no such layer.
    """
    maps.map(layer)
    layers, heads = maps.weights.shape[:2]
    opened = layers if layer is None else layer
    names = [_name(piece) for piece in maps.pieces]
    parts = [
        '<section class="attention"><h2>Attention</h2>',
        "<p>Each row is a token, and its cells are what it takes from the tokens of the columns: from nothing (white) "
        "to the largest weight of the map. Click a small map to see it large.</p>",
    ]
    if note := maps.note():
        parts.append(f"<p>{note}</p>")
    for number in range(1, layers + 1):
        parts.append(f"<details{' open' if number == opened else ''}><summary>Layer {number} of {layers}</summary>")
        parts.append(
            _large(maps.map(number), names, f"Layer {number}, mean over {heads} heads") + '<div class="heads">'
        )
        for head in range(1, heads + 1):
            one, title = maps.map(number, head), f"Layer {number}, head {head}"
            small = f'<img src="{_image(one)}" width="{SMALL}" height="{SMALL}" alt="">'
            parts.append(f"<details><summary>{small}<br>Head {head}</summary>{_large(one, names, title)}</details>")
        parts.append("</div></details>")
    return "\n".join([*parts, "</section>"])


def attention_figure(maps: AttentionMaps, layer: int | None = None, head: int | None = None) -> Figure:
    """Return a figure of one map.

    Args:
        maps: of `attention_maps`.
        layer: from 1; by default the last.
        head: from 1; by default the mean over the heads.

    Raises:
        InputError: there is no such layer or head.
    """
    shown, count = maps.map(layer, head), len(maps.pieces)
    layers, heads = maps.weights.shape[:2]
    names = [_name(piece) for piece in maps.pieces]
    side = max(3.0, 0.19 * count)
    figure = Figure(figsize=(side + 2.2, side + 1.6), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(shown, cmap="Blues", vmin=0, vmax=float(shown.max()))
    axes.set_xticks(np.arange(count), names, rotation=90, fontsize=8)
    axes.set_yticks(np.arange(count), names, fontsize=8)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.set_ylabel("token")
    which = f"mean over {heads} heads" if head is None else f"head {head} of {heads}"
    axes.set_xlabel(f"what it attends to, in layer {layer or layers} of {layers}, {which}")
    figure.colorbar(image, ax=axes, shrink=0.8)
    if note := maps.note():
        axes.text(0.5, -0.08, note, transform=axes.transAxes, ha="center", va="top", fontsize=8, wrap=True)
    return figure


def _name(piece: str) -> str:
    name = piece.translate(VISIBLE)
    return name if len(name) <= CHARACTERS else f"{name[: CHARACTERS - 1]}\u2026"


def _image(shown: np.ndarray) -> str:
    """Return a map as the address of an image, a pixel a cell."""
    pixels = np.empty((*shown.shape, 4), np.uint8)
    pixels[..., :3] = COLOUR
    pixels[..., 3] = np.round(255 * shown / (float(shown.max()) or 1.0))
    buffer = io.BytesIO()
    matplotlib.image.imsave(buffer, pixels, format="png")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


def _large(shown: np.ndarray, names: list[str], title: str) -> str:
    """Return a map with the tokens beside and above it, as SVG."""
    margin = round(0.62 * FONT * max(map(len, names))) + 8
    side = CELL * len(names)
    rows, columns = [], []
    for number, name in enumerate(map(html.escape, names)):
        middle = margin + CELL * number + CELL // 2 + FONT // 3
        rows.append(f'<text x="{margin - 5}" y="{middle}" text-anchor="end">{name}</text>')
        columns.append(f'<text transform="translate({middle} {margin - 5}) rotate(-90)">{name}</text>')
    whole = margin + side + 1
    words = f"{title}; the largest weight is {float(shown.max()):.3f}"
    return (
        f'<figure><figcaption>{words}</figcaption><svg width="{whole}" height="{whole}" viewBox="0 0 {whole} {whole}" '
        f'font-size="{FONT}" role="img" aria-label="{words}">{"".join(rows)}{"".join(columns)}'
        f'<image x="{margin}" y="{margin}" width="{side}" height="{side}" href="{_image(shown)}"/>'
        f'<rect x="{margin}" y="{margin}" width="{side}" height="{side}" fill="none" stroke="#bbb"/></svg></figure>'
    )
