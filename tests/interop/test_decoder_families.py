from __future__ import annotations

import pytest
import transformers

from kpt.interop.decoder_families import ARCEE, GPT2, LLAMA, QWEN2
from kpt.interop.family import Family


@pytest.mark.parametrize("family", [GPT2, LLAMA, QWEN2, ARCEE], ids=lambda family: family.title)
def test_classes_are_those_of_transformers(family: Family) -> None:
    names = [*family.architectures.values(), *(task.architecture for task in family.tasks.values())]
    for name in names:
        cls = getattr(transformers, name)
        assert cls.config_class.model_type == family.model_type
        assert f"{cls.base_model_prefix}." == family.prefix


def test_llama_without_gates_is_arcee() -> None:
    assert LLAMA.fixed["gated"] and not ARCEE.fixed["gated"] and QWEN2.fixed["qkv_bias"]
    assert not LLAMA.tasks["sequence_classification"].bias and LLAMA.tasks["token_classification"].bias
