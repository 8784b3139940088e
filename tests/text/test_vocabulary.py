from __future__ import annotations

import pickle

import pytest

from kpt.errors import InputError
from kpt.text.vocabulary import Vocabulary

PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "un", "##able", "##", "##s"]


def test_special_tokens_are_found_by_their_text_in_any_order() -> None:
    vocabulary = Vocabulary.from_tokens(["a", "[SEP]", "[MASK]", "[UNK]", "[CLS]", "[PAD]"])
    assert (vocabulary.pad_id, vocabulary.unk_id, vocabulary.cls_id) == (5, 3, 4)
    assert (vocabulary.sep_id, vocabulary.mask_id) == (1, 2)
    assert vocabulary.special_ids == (1, 2, 3, 4, 5)
    assert vocabulary.size == 6


def test_other_names_and_further_special_tokens() -> None:
    names = {"pad": "<pad>", "unk": "<unk>", "cls": "<s>", "sep": "</s>", "mask": "<mask>"}
    vocabulary = Vocabulary.from_tokens(["<s>", "<pad>", "</s>", "<unk>", "a", "<sum>", "<mask>"], names, ["<sum>"])
    assert vocabulary.pad_id == 1
    assert vocabulary.special_ids == (0, 1, 2, 3, 5, 6)


def test_continuation_marks_the_pieces_within_a_word() -> None:
    continuation = Vocabulary.from_tokens(PIECES).continuation
    assert continuation.tolist() == [False, False, False, False, False, False, True, False, True]
    assert not continuation.flags.writeable


def test_index_and_equality_survive_a_pickle() -> None:
    vocabulary = Vocabulary.from_tokens(PIECES)
    assert vocabulary.index["un"] == 5
    copy = pickle.loads(pickle.dumps(vocabulary))
    assert copy == vocabulary
    assert copy.index == vocabulary.index


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        ([*PIECES, "un"], r"the piece 'un' has the ids 5 and 9; give every piece one id"),
        ([*PIECES, ""], r"the piece with id 9 is empty; give every id a piece"),
        (PIECES[:4], r"the special token '\[MASK\]' is not among the 4 pieces; add it to them"),
    ],
)
def test_wrong_pieces_are_refused(tokens: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Vocabulary.from_tokens(tokens)


def test_a_tokenizer_may_lack_roles() -> None:
    vocabulary = Vocabulary.from_tokens(["<|endoftext|>", "a"], {"end": "<|endoftext|>", "pad": "<|endoftext|>"})
    assert (vocabulary.end_id, vocabulary.pad_id, vocabulary.special_ids) == (0, 0, (0,))
    with pytest.raises(InputError, match=r"no token for the role 'mask' \(it has end, pad\)"):
        _ = vocabulary.mask_id


@pytest.mark.parametrize(
    ("ids", "special_ids", "message"),
    [
        ((0, 1, 2, 3, 3), (0, 1, 2, 3), "two special tokens share an id"),
        ((0, 1, 2, 3, 9), (0, 1, 2, 3, 9), "the special id 9 is not below the vocabulary size 9"),
        ((0, 1, 2, 3, 4), (0, 1, 2, 3), "must be ascending and hold the ids of the roles"),
        ((0, 1, 2, 3, 4), (1, 0, 2, 3, 4), "must be ascending and hold the ids of the roles"),
    ],
)
def test_wrong_special_ids_are_refused(ids: tuple[int, ...], special_ids: tuple[int, ...], message: str) -> None:
    roles = dict(zip(("pad", "unk", "cls", "sep", "mask"), ids, strict=True))
    with pytest.raises(InputError, match=message):
        Vocabulary(tuple(PIECES), roles, special_ids)


def test_unknown_roles_are_refused() -> None:
    with pytest.raises(InputError, match="there is no role 'begin' of a special token; the roles are pad, unk"):
        Vocabulary(tuple(PIECES), {"begin": 0}, (0,))
