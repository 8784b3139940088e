from __future__ import annotations

import pickle
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import kpt
from kpt.text import wordpiece_encoding
from kpt.text.vocabulary import Vocabulary
from kpt.text.wordpiece_encoding import OfflineEncoder, plain_text_tokenizer

PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "low", "##er", "##est", "\ue000", "mask", "cls", "[", "]"]
VOCABULARY = Vocabulary.from_tokens(PIECES)


def encoder() -> OfflineEncoder:
    return OfflineEncoder(VOCABULARY, lowercase=True, strip_accents=True)


def rows(values: np.ndarray, splits: np.ndarray) -> list[list[int]]:
    return [values[a:b].tolist() for a, b in pairwise(splits)]


def test_long_texts_are_cut_at_spaces_and_put_together_again(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["low lower lowest " * 20, "", "lowest", "low" * 50, "low low"]
    whole = rows(*encoder().encode(texts, literal_mask=False))
    monkeypatch.setattr(wordpiece_encoding, "_BATCH_CHARACTERS", 7)
    assert rows(*encoder().encode(texts, literal_mask=False)) == whole
    assert [len(row) for row in whole] == [100, 0, 2, 1, 2]


def test_lone_surrogates_are_dropped() -> None:
    assert rows(*encoder().encode(["lo\ud800w \udfff", "\ud800\ud800"], literal_mask=False)) == [[5], []]


def test_special_tokens_in_text_are_text() -> None:
    assert rows(*encoder().encode(["[CLS] [MASK]"], literal_mask=False)) == [[11, 10, 12, 11, 9, 12]]
    assert rows(*encoder().encode(["[CLS] [MASK]", "low"], literal_mask=True)) == [[11, 10, 12, 4], [5]]


def test_the_graph_is_used_for_much_text_in_a_main_process_with_tensorflow(monkeypatch: pytest.MonkeyPatch) -> None:
    import tensorflow  # noqa: F401

    monkeypatch.setattr(wordpiece_encoding, "GRAPH_FROM_CHARACTERS", 10)
    offline = encoder()
    first = rows(*offline.encode(["low low"], literal_mask=False))
    assert not offline.uses_graph()
    texts = ["low low", "Lowér [MASK]"]
    second = rows(*offline.encode(texts, literal_mask=False))
    assert offline.uses_graph()
    assert (first, second) == ([[5, 5]], [[5, 5], [5, 6, 11, 9, 12]])
    assert rows(*offline.encode(texts, literal_mask=True)) == [[5, 5], [5, 6, 4]]
    assert not pickle.loads(pickle.dumps(offline)).uses_graph()
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    assert not offline.uses_graph()
    monkeypatch.undo()
    monkeypatch.setattr("multiprocessing.parent_process", lambda: object())
    assert not offline.uses_graph()


def test_a_vocabulary_with_private_use_characters_cannot_reach_special_tokens() -> None:
    tokenizer = plain_text_tokenizer(VOCABULARY, True, True)
    assert tokenizer.encode("\ue000 \ue000\ue000 low", add_special_tokens=False).ids == [5]
    assert tokenizer.token_to_id("[MASK]") is None


def test_this_module_does_not_load_tensorflow() -> None:
    program = (
        "import sys, kpt.text.wordpiece as w, kpt.text.vocabulary as v\n"
        f"t = w.WordPieceTokenizer(v.Vocabulary.from_tokens({PIECES!r}))\n"
        "print(t.encode(['low lowest']).values.tolist(), 'tensorflow' in sys.modules, 'keras' in sys.modules)"
    )
    root = Path(kpt.__file__).parent.parent
    result = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)
    assert result.stdout == "[5, 5, 7] False False\n"
