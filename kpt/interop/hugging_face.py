"""Folders of Hugging Face models: read as models of kpt, and written so that `transformers` loads them."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

from kpt.errors import InputError
from kpt.files import atomic_file, atomic_folder, write_json
from kpt.interop.family import Family, Task
from kpt.interop.published_tokenizer import read_tokenizer
from kpt.interop.settings import arguments_of, config_of, family_for, family_of
from kpt.interop.sizes import check_sizes, head_outputs
from kpt.interop.tasks import task_arguments, task_config, task_model, task_name, task_of
from kpt.interop.tensors import WEIGHTS_FILE, FolderTensors
from kpt.interop.weights import heads_of, read_weights, tensors_of, unused_tensors
from kpt.layers import zeros_instead
from kpt.models import Decoder, Encoder
from kpt.objectives import CausalLM, MaskedLM, NextSentence, Pretrainer
from kpt.tasks import TaskModel, refuse_several
from kpt.text import BytePairTokenizer, Tokenizer
from kpt.text.folder_files import read_json

__all__ = ["HuggingFaceFolder", "write_hugging_face"]

OBJECTIVES: dict[str, Any] = {"masked_lm": MaskedLM, "next_sentence": NextSentence, "causal_lm": CausalLM}


class HuggingFaceFolder:
    """A model of Hugging Face's on disk: config.json, safetensors, and the files of its tokenizer.

    It answers what `kpt.training.RunFolder` answers, so that whatever starts from a model takes either.

    Args:
        path: The folder.

    Raises:
        InputError: It has no config.json, or one of a family that kpt has not.

    Example:
        >>> model = HuggingFaceFolder("bert-base-uncased").load()  # doctest: +SKIP
    """

    #: Steps of training that kpt knows of.
    step = 0

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        file = self.path / "config.json"
        if not file.is_file():
            raise InputError(f"{self.path} has no config.json; give the folder of a Hugging Face model")
        self.config = read_json(file)
        self.family = family_of(self.config, file)

    @property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer, read anew.

        Raises:
            InputError: There is none, it is damaged, or it has ids that the model has not.
        """
        tokenizer = read_tokenizer(self.path)
        size = self.config.get("vocab_size")
        if isinstance(size, int) and tokenizer.vocabulary.size > size:
            raise InputError(
                f"the tokenizer of {self.path} has {tokenizer.vocabulary.size} pieces and the model {size}; "
                "copy the folder again"
            )
        return tokenizer

    def load(self, compile: bool = False) -> Any:
        """Return the model: a `Pretrainer` or a task model, as the checkpoint has heads, else the bare backbone.

        Weights are taken from the files one after the other, and become what the dtype policy says.

        Args:
            compile: There for the likeness to `RunFolder`: a checkpoint has no optimizer.

        Raises:
            InputError: The checkpoint is damaged, or is not exactly what one of kpt's backbones computes.
        """
        file = self.path / "config.json"
        arguments = arguments_of(self.family, self.config, file)
        tensors = FolderTensors(self.path)
        check_sizes(self.family, arguments, tensors)
        name = task_of(self.family, self.config)
        task = self.family.tasks[name] if name else None
        with zeros_instead():
            if name and task:
                outputs = head_outputs(task, tensors)
                if self.family.backbone == "decoder" and "lm_head.weight" not in tensors:
                    arguments["tied"] = True  # such a model has no way back to tokens
                backbone = _backbone(self.family, arguments, tensors, task.pooler)
                model = task_model(name, backbone, task.pooler is not None, self.config, outputs, file)
            else:
                backbone = _backbone(self.family, arguments, tensors)
                heads = [OBJECTIVES[head]() for head in _heads(self.family, backbone, tensors)]
                model = Pretrainer(backbone, heads) if heads else backbone
        used = read_weights(model, self.family, tensors, task)
        if left := unused_tensors(self.family, tensors, used):
            more = f" and {len(left) - 3} more" if len(left) > 3 else ""
            warnings.warn(f"{self.path}: not read, as kpt has no such head: {', '.join(left[:3])}{more}", stacklevel=2)
        return model


def _backbone(
    family: Family, arguments: dict[str, Any], tensors: FolderTensors, pooler: str | None = None
) -> Encoder | Decoder:
    """A new backbone; an encoder has the pooler that the checkpoint has, or one of an activation before its head."""
    if family.backbone == "decoder":
        return Decoder(**arguments)
    if pooler is not None:
        return Encoder(**{**arguments, "pooler": True, "pooler_activation": pooler})
    parts = family.tensors.get("pooler/dense", ())
    pools = any(f"{prefix}{name}.weight" in tensors for name in parts for prefix in ("", family.prefix))
    return Encoder(**{"pooler": pools, **arguments})


def _heads(family: Family, backbone: Any, tensors: FolderTensors) -> list[str]:
    """The objectives whose heads a checkpoint has and a backbone can have."""
    return [name for name in heads_of(family, tensors) if name != "next_sentence" or "pooled" in backbone.output]


def write_hugging_face(
    model: Any, tokenizer: Tokenizer, folder: str | os.PathLike[str], *, overwrite: bool = False
) -> Path:
    """Write a model as a folder that `transformers.AutoModel...` and `AutoTokenizer` load with no code beside it.

    An encoder becomes BERT, RoBERTa (if its tokenizer is byte-level BPE), DistilBERT (if it has neither segments nor a
    pooler), ALBERT (if it has one block for all), ELECTRA (if its embeddings are narrower) or ESM (if its positions are
    rotary and its norms stand first, as in `kpt.models.encoder_config`), a decoder GPT-2, Llama, Qwen2 or Arcee (Llama
    without gates). What is computed is the same; where no architecture computes it, nothing is
    written. Weights are float32.

    A classifier or a regressor becomes the class for sequence classification of the family that has its head: a head
    on the pooled output that of BERT (or of RoBERTa, ALBERT and others as the pooler's activation is), a head on the
    first token ELECTRA's, whose pooler can pass it on. No class has a head on the mean of the tokens. A tagger becomes
    the family's class for token classification. Names of labels go with them.

    Args:
        model: An `Encoder` or a `Decoder`, or a `Pretrainer`, `Classifier`, `Regressor` or `Tagger` of one.
        tokenizer: The one it was trained with.
        folder: It may exist if it is empty.
        overwrite: Whether to replace what is in it.

    Returns:
        The folder, which is written completely or not at all.

    Raises:
        InputError: No architecture is exactly that of the model, it has several tasks, the tokenizer is another one's,
            or the folder cannot be written.

    Example:
        >>> kpt.interop.write_hugging_face(model, tokenizer, "bert-of-mine")  # doctest: +SKIP
        PosixPath('bert-of-mine')
    """
    from safetensors.numpy import save_file

    refuse_several(model)
    backbone = getattr(model, "backbone", model)
    if not isinstance(backbone, Encoder | Decoder):
        raise InputError(f"a {type(backbone).__name__} has no form of Hugging Face's; give an Encoder or a Decoder")
    if tokenizer.vocabulary.size > backbone.vocabulary_size:
        raise InputError(
            f"the tokenizer has {tokenizer.vocabulary.size} pieces and the model {backbone.vocabulary_size}; "
            "give the tokenizer that the model was trained with"
        )
    encoder = isinstance(backbone, Encoder)
    prefers = "RobertaTokenizer" if isinstance(tokenizer, BytePairTokenizer) else None
    family, task, architecture = _form(model, backbone, prefers)
    roles, tensors = tokenizer.vocabulary.roles, tensors_of(model, family, task)
    config = config_of(family, backbone.arguments) | (task_config(model) if task else {})
    if not encoder and "lm_head.weight" in tensors:
        config["tie_word_embeddings"] = False
    if family.position_offset and roles.get("pad") != family.position_offset - 1:
        raise InputError(f"{family.title} has [PAD] at {family.position_offset - 1}; train a tokenizer that has too")
    ends = {"bos_token_id": roles.get("end"), "eos_token_id": roles.get("end")} if not encoder else {}
    with atomic_folder(folder, overwrite=overwrite) as temporary:
        tokenizer.save(temporary)
        named = temporary / "tokenizer_config.json"
        kind: dict[str, Any] = {"tokenizer_class": family.tokenizer_class} if family.tokenizer_class else {}
        if encoder and "segments" not in family.settings:  # which some tokenizers would send all the same
            kind["model_input_names"] = ["input_ids", "attention_mask"]
        write_json(named, {**read_json(named), **kind, "model_max_length": backbone.maximum_length})
        with atomic_file(temporary / WEIGHTS_FILE) as weights:
            save_file(tensors, weights, metadata={"format": "pt"})
        config |= {"architectures": [architecture], **ends, "pad_token_id": roles.get("pad")}
        write_json(temporary / "config.json", {**config, "torch_dtype": "float32"})
    return Path(folder)


def _form(model: Any, backbone: Encoder | Decoder, prefers: str | None) -> tuple[Family, Task | None, str]:
    """The family that a model can be written as, the task of its head, and the class in `transformers`.

    Raises:
        InputError: There is none.
    """
    kind, arguments = "encoder" if isinstance(backbone, Encoder) else "decoder", backbone.arguments
    if isinstance(model, TaskModel):
        name = task_name(model)

        def with_task(family: Family) -> tuple[Task, dict[str, Any]] | None:
            task = family.tasks.get(name)
            needed = task_arguments(model, task, arguments) if task else None
            return (task, needed) if task and needed else None

        family = family_for(kind, arguments, prefers, with_task)
        return family, family.tasks[name], family.tasks[name].architecture
    family = family_for(kind, arguments, prefers)
    objectives = frozenset(objective.default_name for objective in getattr(model, "objectives", ()))
    if objectives not in family.architectures:
        names = ", ".join(sorted(objectives))
        raise InputError(
            f"{family.title} has no class with the objectives {names}; export the backbone, model.backbone"
        )
    return family, None, family.architectures[objectives]
