from __future__ import annotations

import random

import numpy as np
import pytest
import tensorflow as tf
from tokenizers import models

from kpt.text.byte_pair_merge_graph import GraphMerges


def merged(merges: list[tuple[str, str]], words: list[str]) -> tuple[list[list[str]], list[list[str]]]:
    """The pieces of words in the graph, and those of Hugging Face's model."""
    tokens = list(dict.fromkeys([*"abcd", *(left + right for left, right in merges)]))
    index = {token: i for i, token in enumerate(tokens)}
    symbols = tf.ragged.constant([[index[c] for c in word] for word in words], tf.int32, row_splits_dtype=tf.int64)
    graph = tf.function(GraphMerges(index, merges).__call__)(symbols)
    model = models.BPE(index, merges)
    expected = [[token.value for token in model.tokenize(word)] if word else [] for word in words]
    return [[tokens[i] for i in row] for row in graph.to_list()], expected


def test_pairs_are_joined_by_rank_and_from_left_to_right() -> None:
    merges = [("a", "b"), ("a", "a"), ("ab", "ab"), ("aa", "aa"), ("abab", "c")]
    words = ["abababc", "aaaaaaa", "aaab", "", "cd", "d", "aaa", "cbab"]
    got, expected = merged(merges, words)
    assert got == expected
    assert got[:3] == [["abab", "ab", "c"], ["aaaa", "aa", "a"], ["aa", "ab"]]


def test_no_merges_and_empty_words() -> None:
    assert merged([], ["abc", ""])[0] == [["a", "b", "c"], []]
    assert merged([("a", "b")], ["", ""])[0] == [[], []]


@pytest.mark.parametrize("seed", range(6))
def test_random_merges_in_any_order(seed: int) -> None:
    generator = random.Random(seed)
    tokens, merges = list("abcd"), []
    while len(merges) < 30:
        pair = generator.choice(tokens), generator.choice(tokens)
        if pair not in merges and len("".join(pair)) < 6:
            merges.append(pair)
            tokens = list(dict.fromkeys([*tokens, "".join(pair)]))
    if seed % 2:
        generator.shuffle(merges)  # pieces then take part in merges before those that make them
    words = ["".join(generator.choices("abcd", k=generator.randrange(25))) for _ in range(500)]
    got, expected = merged(merges, words)
    assert got == expected


def test_a_merge_that_is_of_use_earlier_joins_one_pair_at_a_time() -> None:
    # "abc" from "a" + "bc" is of use in the merge before it: with both at once, the end would be another.
    merges = [("b", "c"), ("abc", "a"), ("a", "bc")]
    words = ["abcabc", "abcabcabc"]
    got, expected = merged(merges, words)
    assert got == expected == [["abca", "bc"], ["abca", "bc", "abc"]]
    assert not GraphMerges({t: i for i, t in enumerate(["a", "b", "c", "bc", "abc", "abca"])}, merges)._everywhere[2]


def test_long_words_need_few_rounds() -> None:
    merges = [("a", "a"), *(("a" * 2**n, "a" * 2**n) for n in range(1, 10))]
    got, expected = merged(merges, ["a" * 3000])
    assert got == expected
    assert np.all(np.diff([len(token) for token in got[0]]) <= 0)
