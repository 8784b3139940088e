"""Put this folder on PYTHONPATH and Python finds neither kpt nor Keras nor a tokenizer library, installed or not."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

HIDDEN = frozenset({"kpt", "keras", "keras_hub", "keras_nlp", "tf_keras", "tokenizers", "transformers"})


class FinderWithoutKeras(PathFinder):
    """The finder of installed packages, for which the hidden ones are not installed."""

    @classmethod
    def find_spec(cls, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if fullname.partition(".")[0] in HIDDEN:
            return None
        return super().find_spec(fullname, path, target)


# In place of all finders of installed packages, those of editable installs included.
sys.meta_path[:] = [finder for finder in sys.meta_path if "editable" not in repr(finder)]
sys.meta_path[:] = [FinderWithoutKeras if finder is PathFinder else finder for finder in sys.meta_path]

# tensorflow_text imports Keras for two layers of its own, which no SavedModel needs: it gets none.
LAYERS = "tensorflow_text.python.keras"
sys.modules[LAYERS] = ModuleType(LAYERS)
