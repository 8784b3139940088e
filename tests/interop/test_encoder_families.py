from __future__ import annotations

import pytest
import transformers

from kpt.interop.encoder_families import ALBERT, BERT, DISTILBERT, ELECTRA, ROBERTA
from kpt.interop.family import Family


@pytest.mark.parametrize("family", [BERT, ROBERTA, DISTILBERT, ALBERT, ELECTRA], ids=lambda family: family.title)
def test_classes_are_those_of_transformers(family: Family) -> None:
    names = [*family.architectures.values(), *(task.architecture for task in family.tasks.values())]
    for name in names:
        cls = getattr(transformers, name)
        assert cls.config_class.model_type == family.model_type
        assert f"{cls.base_model_prefix}." == family.prefix
    assert len(family.tasks) == 3


def test_what_albert_and_electra_have_beside_bert() -> None:
    assert ALBERT.fixed["shared_blocks"] and ALBERT.projects_always and not ELECTRA.projects_always
    assert ALBERT.tensors["block/attention/qkv"][0] == "encoder.albert_layer_groups.0.albert_layers.0.attention.query"
    assert ELECTRA.tensors["embedding_projection"] == ("embeddings_project",)
    assert ELECTRA.tasks["sequence_classification"].pooler == "gelu"
    assert DISTILBERT.tasks["sequence_classification"].tensors["pooler/dense"] == ("pre_classifier",)
