"""Folders of the Hugging Face hub, by the names `hf://OWNER/MODEL` and `hf://OWNER/MODEL@REVISION`."""

from __future__ import annotations

import re
from pathlib import Path

from kpt.errors import InputError

__all__ = ["download", "hub_name"]

# What is read of a folder; weights in formats that can run code are not even fetched.
PATTERNS = ["*.json", "*.safetensors", "*.txt", "*.model"]

# `pathlib` makes one slash of two.
_NAME = re.compile(r"hf:/{1,2}([\w.-]+(?:/[\w.-]+)?)(?:@([\w./-]+))?")


def hub_name(source: str) -> tuple[str, str | None] | None:
    """Return the name on the hub, and the revision, that a source asks for; `None` for what is a path.

    Raises:
        InputError: It begins as such a name and is none.

    Example:
        >>> hub_name("hf://google-bert/bert-base-uncased@main")
        ('google-bert/bert-base-uncased', 'main')
    """
    if not source.startswith("hf:/"):
        return None
    found = _NAME.fullmatch(source)
    if found is None or ".." in source:
        raise InputError(f"{source!r} is no name on the hub; write hf://OWNER/MODEL, or hf://OWNER/MODEL@REVISION")
    return found[1], found[2]


def download(name: str, revision: str | None = None) -> Path:
    """Return the local folder of a model on the hub, fetched where it is not there yet.

    Args:
        name: `OWNER/MODEL`.
        revision: A branch, tag or commit; by default the main branch.

    Raises:
        InputError: `huggingface_hub` is not installed, or the model cannot be fetched.
    """
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise InputError(f"hf://{name} needs huggingface_hub; run: pip install 'kpt[hub]'") from error
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=PATTERNS))
    except (OSError, ValueError, RuntimeError) as error:  # what its own errors, and those of a network, are
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise InputError(f"hf://{name} cannot be fetched ({reason}); check the name and the network") from error
