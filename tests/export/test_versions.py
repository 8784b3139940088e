from __future__ import annotations

from pathlib import Path

import pytest

import kpt
from kpt.export.versions import next_version, version_folder


def test_the_next_version_is_one_more_than_the_highest(tmp_path: Path) -> None:
    assert next_version(tmp_path / "missing") == 1
    assert next_version(tmp_path) == 1
    for name in ("1", "3", ".12.x7.partial", "latest", "9a", "²"):
        (tmp_path / name).mkdir()
    assert next_version(tmp_path) == 4
    assert version_folder(tmp_path) == tmp_path / "4"


def test_a_version_can_be_chosen_but_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "3").mkdir()
    assert version_folder(tmp_path, 2) == tmp_path / "2"
    with pytest.raises(kpt.InputError, match=r"3 exists already.*give another version"):
        version_folder(tmp_path, 3)
    with pytest.raises(kpt.InputError, match="version is 0; give 1 or more"):
        version_folder(tmp_path, 0)
