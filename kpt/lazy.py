"""Names of a package that load on their first use (PEP 562)."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["lazy_names"]


def lazy_names(package: str, homes: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return `__getattr__` and `__dir__` for a package whose names are to load when they are first asked for.

    Args:
        package: `__name__` of the package.
        homes: the module of each public name; a module that is called like its name is itself what the name stands for.

    Returns:
        The two functions. The first raises AttributeError for a name that is not in `homes`.

    Example:
        >>> __getattr__, __dir__ = lazy_names("kpt.text", {"Corpus": "kpt.text.corpus"})
        >>> __getattr__("Corpus").__name__
        'Corpus'
    """

    def load(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        home = importlib.import_module(homes[name])
        value = home if homes[name] == f"{package}.{name}" else getattr(home, name)
        setattr(sys.modules[package], name, value)
        return value

    def names() -> list[str]:
        return sorted(set(vars(sys.modules[package])) | set(homes))

    return load, names
