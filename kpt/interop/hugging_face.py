"""Folders of Hugging Face models: read as models of kpt, and written so that `transformers` loads them."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

from kpt.errors import InputError
from kpt.files import atomic_folder, write_json
from kpt.interop.families import Family
from kpt.interop.published_tokenizer import read_tokenizer
from kpt.interop.settings import arguments_of, config_of, family_for, family_of
from kpt.interop.tensors import WEIGHTS_FILE, FolderTensors
from kpt.interop.weights import heads_of, read_weights, tensors_of, unused_tensors
from kpt.layers import zeros_instead
from kpt.models import Decoder, Encoder
from kpt.objectives import CausalLM, MaskedLM, NextSentence, Pretrainer
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
        """Return the model: a `Pretrainer` of the heads that the checkpoint has, else the bare backbone.

        Weights are taken from the files one after the other, and become what the dtype policy says.

        Args:
            compile: There for the likeness to `RunFolder`: a checkpoint has no optimizer.

        Raises:
            InputError: The checkpoint is damaged, or is not exactly what one of kpt's backbones computes.
        """
        file = self.path / "config.json"
        arguments = arguments_of(self.family, self.config, file)
        tensors = FolderTensors(self.path)
        _check_sizes(self.family, arguments, tensors)
        with zeros_instead():
            model = _model(self.family, arguments, tensors)
        used = read_weights(model, self.family, tensors)
        if left := unused_tensors(self.family, tensors, used):
            more = f" and {len(left) - 3} more" if len(left) > 3 else ""
            warnings.warn(f"{self.path}: not read, as kpt has no such head: {', '.join(left[:3])}{more}", stacklevel=2)
        return model


def _model(family: Family, arguments: dict[str, Any], tensors: FolderTensors) -> Any:
    """A new model with the heads that a checkpoint has."""
    heads = heads_of(family, tensors)
    backbone: Any
    if family.backbone == "encoder":
        pools = any(name.endswith("pooler.dense.weight") for name in tensors)
        backbone = Encoder(**{"pooler": pools, **arguments})
        heads = [name for name in heads if name != "next_sentence" or "pooled" in backbone.output]
    else:
        backbone = Decoder(**arguments)
    return Pretrainer(backbone, [OBJECTIVES[name]() for name in heads]) if heads else backbone


def _check_sizes(family: Family, arguments: dict[str, Any], tensors: FolderTensors) -> None:
    """Make sure that a config.json asks for no larger model than the files hold, before anything is built.

    Raises:
        InputError: It does.
    """
    width, last = arguments["width"], arguments["depth"] - 1
    hidden = arguments["feed_forward_width"] or 4 * width
    for part, block, sizes in (
        ("token_embedding", "", {arguments["vocabulary_size"], width}),
        ("positions", "", {arguments["maximum_length"] + family.position_offset, width}),
        ("segment_embedding", "", {arguments.get("segments"), width}),
        ("block_{i}/feed_forward/output", last, {hidden, width}),
    ):
        for name in family.tensors.get(part, ()):
            full = f"{family.prefix}{name.format(i=block)}.weight"
            found = full if full in tensors else full.removeprefix(family.prefix)
            if found not in tensors:
                raise InputError(f"{tensors.folder} has no tensor {full!r}, which its config.json asks for")
            if set(tensors[found].shape) != sizes:
                raise InputError(
                    f"{tensors.folder}: {found} has the shape {list(tensors[found].shape)}, and config.json asks for "
                    f"{' by '.join(map(str, sorted(sizes)))}; copy the checkpoint again"
                )


def write_hugging_face(
    model: Any, tokenizer: Tokenizer, folder: str | os.PathLike[str], *, overwrite: bool = False
) -> Path:
    """Write a model as a folder that `transformers.AutoModel...` and `AutoTokenizer` load with no code beside it.

    An encoder becomes BERT, RoBERTa (if its tokenizer is byte-level BPE) or DistilBERT (if it has neither segments nor
    a pooler), a decoder GPT-2, Llama, Qwen2 or Arcee (Llama without gates). What is computed is the same; where no
    architecture computes it, nothing is written. Weights are float32.

    Args:
        model: An `Encoder` or a `Decoder`, or a `Pretrainer` of one.
        tokenizer: The one it was trained with.
        folder: It may exist if it is empty.
        overwrite: Whether to replace what is in it.

    Returns:
        The folder, which is written completely or not at all.

    Raises:
        InputError: No architecture is exactly that of the model, the tokenizer is another one's, or the folder cannot
            be written.

    Example:
        >>> kpt.interop.write_hugging_face(model, tokenizer, "bert-of-mine")  # doctest: +SKIP
        PosixPath('bert-of-mine')
    """
    from safetensors.numpy import save_file

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
    family = family_for("encoder" if encoder else "decoder", backbone.arguments, prefers)
    objectives = frozenset(objective.default_name for objective in getattr(model, "objectives", ()))
    if objectives not in family.architectures:
        names = ", ".join(sorted(objectives))
        raise InputError(
            f"{family.title} has no class with the objectives {names}; export the backbone, model.backbone"
        )
    roles, tensors = tokenizer.vocabulary.roles, tensors_of(model, family)
    config = config_of(family, backbone.arguments)
    if not encoder and "lm_head.weight" in tensors:
        config["tie_word_embeddings"] = False
    if family.position_offset and roles.get("pad") != family.position_offset - 1:
        raise InputError(f"{family.title} has [PAD] at {family.position_offset - 1}; train a tokenizer that has too")
    ends = {"bos_token_id": roles.get("end"), "eos_token_id": roles.get("end")} if not encoder else {}
    with atomic_folder(folder, overwrite=overwrite) as temporary:
        tokenizer.save(temporary)
        named = temporary / "tokenizer_config.json"
        kind = {"tokenizer_class": family.tokenizer_class} if family.tokenizer_class else {}
        write_json(named, {**read_json(named), **kind, "model_max_length": backbone.maximum_length})
        save_file(tensors, temporary / WEIGHTS_FILE, metadata={"format": "pt"})
        config |= {"architectures": [family.architectures[objectives]], **ends, "pad_token_id": roles.get("pad")}
        write_json(temporary / "config.json", {**config, "torch_dtype": "float32"})
    return Path(folder)
