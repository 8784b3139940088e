from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kpt.errors import InputError
from kpt.interop import download, hub_name


def test_names() -> None:
    assert hub_name("hf://gpt2") == ("gpt2", None)
    assert hub_name("hf://google-bert/bert-base-uncased@refs/pr/1") == ("google-bert/bert-base-uncased", "refs/pr/1")
    assert hub_name(str(Path("hf://a/b"))) == ("a/b", None)
    assert hub_name("runs/bert") is None and hub_name("hf") is None


@pytest.mark.parametrize("source", ["hf://", "hf://a/b/c", "hf://../a", "hf://a/..", "hf://a b", "hf://a@", "hf:///a"])
def test_what_is_no_name(source: str) -> None:
    with pytest.raises(InputError, match="is no name on the hub; write hf://OWNER/MODEL"):
        hub_name(source)


def test_nothing_that_can_run_code_is_fetched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: dict[str, Any] = {}

    def snapshot_download(name: str, **options: Any) -> str:
        asked.update(options, name=name)
        return str(tmp_path)

    monkeypatch.setitem(sys.modules, "huggingface_hub", SimpleNamespace(snapshot_download=snapshot_download))
    assert download("a/b", "main") == tmp_path
    assert asked["name"] == "a/b" and asked["revision"] == "main"
    assert asked["allow_patterns"] == ["*.json", "*.safetensors", "*.txt", "*.model"]


def test_what_goes_wrong_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def snapshot_download(name: str, **options: Any) -> str:
        raise OSError("no\nnetwork")

    monkeypatch.setitem(sys.modules, "huggingface_hub", SimpleNamespace(snapshot_download=snapshot_download))
    with pytest.raises(InputError, match=r"hf://a/b cannot be fetched \(no network\); check the name"):
        download("a/b")
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(InputError, match=r"hf://a/b needs huggingface_hub; run: pip install 'kpt\[hub\]'"):
        download("a/b")
