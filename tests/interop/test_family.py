from __future__ import annotations

from kpt.interop.family import Task, of_blocks, of_objectives


def test_objectives_are_sets() -> None:
    assert of_objectives(backbone="A", masked_lm="B", masked_lm_and_next_sentence="C") == {
        frozenset(): "A",
        frozenset({"masked_lm"}): "B",
        frozenset({"masked_lm", "next_sentence"}): "C",
    }


def test_blocks_have_their_numbers() -> None:
    assert of_blocks("h", {"attention/qkv": ("a", "b")}) == {"block_{i}/attention/qkv": ("h.{i}.a", "h.{i}.b")}


def test_a_head_stands_on_the_sequence_and_has_a_bias_unless_it_says_so() -> None:
    task = Task("GPT2ForTokenClassification", {"head": ("classifier",)})
    assert task.pooler is None and task.bias
