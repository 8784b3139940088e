from __future__ import annotations

import pytest

from kpt.tasks.entities import entities


@pytest.mark.parametrize(
    ("tags", "found"),
    [
        ("O O", []),
        ("B-x", [("x", 0, 1)]),
        ("B-x I-x B-x", [("x", 0, 2), ("x", 2, 3)]),
        ("I-x I-x O I-x", [("x", 0, 2), ("x", 3, 4)]),
        ("B-x I-y I-y", [("x", 0, 1), ("y", 1, 3)]),
        ("O B-a-b I-a-b", [("a-b", 1, 3)]),
    ],
)
def test_entities(tags: str, found: list[tuple[str, int, int]]) -> None:
    assert entities(tags.split()) == found
