"""Presets of KerasHub: folders with the backbone of a BERT or a GPT-2 and its tokenizer, in and out.

Nothing of KerasHub itself is imported: its configs are read as data, so that no class that they name is made.
"""

from __future__ import annotations

import json
import os
import warnings
from pathlib import Path
from typing import Any

import keras

from kpt.errors import InputError
from kpt.files import atomic_folder, write_json
from kpt.interop.family import Family
from kpt.interop.preset_families import PRESETS
from kpt.interop.preset_tensors import PRESET_WEIGHTS, PresetTensors, write_preset_tensors
from kpt.interop.settings import arguments_of, config_of, differences
from kpt.interop.sizes import check_sizes
from kpt.interop.weights import read_weights, tensors_of
from kpt.layers import zeros_instead
from kpt.models import Decoder, Encoder
from kpt.objectives import CausalLM, Pretrainer
from kpt.tasks import refuse_several
from kpt.text import BytePairTokenizer, Tokenizer, Vocabulary, WordPieceTokenizer
from kpt.text.byte_pair_folder import END_OF_TEXT, read_merges
from kpt.text.folder_files import ids_in_order, read_json
from kpt.text.vocabulary import SPECIAL_TOKENS
from kpt.text.wordpiece_folder import read_vocabulary_text

__all__ = ["KerasHubFolder", "is_preset", "write_keras_hub"]

CONFIG, TOKENIZER, PREPROCESSOR, ASSETS = "config.json", "tokenizer.json", "preprocessor.json", "assets/tokenizer"

#: The version of KerasHub whose presets these are.
VERSION = "0.32.0"


def is_preset(config: dict[str, Any]) -> bool:
    """Return whether a config.json is that of a KerasHub preset."""
    return str(config.get("registered_name")).startswith(("keras_hub>", "keras_nlp>"))


class KerasHubFolder:
    """A preset of KerasHub on disk; it answers what `kpt.training.RunFolder` answers.

    Args:
        path: The folder.

    Raises:
        InputError: It has no config.json, or one of a backbone that kpt has not.

    Example:
        >>> model = KerasHubFolder("bert_base_en_uncased").load()  # doctest: +SKIP
    """

    #: Steps of training that kpt knows of.
    step = 0

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        content = read_json(self.path / CONFIG)
        kind, config = str(content.get("registered_name")).partition(">")[2], content.get("config")
        if kind not in PRESETS or not isinstance(config, dict):
            raise InputError(
                f"{self.path / CONFIG} is of {content.get('registered_name')!r}, and kpt reads the presets of "
                f"{' and '.join(PRESETS)}; give one of these"
            )
        self.family, self.config = PRESETS[kind], config

    @property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer, read anew.

        KerasHub's differ a little from those that published models were trained with, which kpt's are exactly.

        Raises:
            InputError: There is none, it is damaged, or it has ids that the model has not.
        """
        assets, options = self.path / ASSETS, read_json(self.path / TOKENIZER).get("config")
        options = options if isinstance(options, dict) else {}
        tokenizer: Tokenizer
        if self.family.backbone == "encoder":
            vocabulary = Vocabulary.from_tokens(read_vocabulary_text(assets / "vocabulary.txt"), SPECIAL_TOKENS)
            lowercase = options.get("lowercase") is True
            # What KerasHub calls stripping of accents is a part of BERT's lowercasing.
            accents = lowercase or options.get("strip_accents") is True
            tokenizer = WordPieceTokenizer(vocabulary, lowercase=lowercase, strip_accents=accents)
        else:
            path = assets / "vocabulary.json"
            tokens, _ = ids_in_order(read_json(path), (), path)
            vocabulary = Vocabulary.from_tokens(tokens, {"pad": END_OF_TEXT, "end": END_OF_TEXT})
            tokenizer = BytePairTokenizer(vocabulary, read_merges(assets / "merges.txt"))
        size = self.config.get("vocabulary_size")
        if isinstance(size, int) and vocabulary.size > size:
            raise InputError(f"the tokenizer of {self.path} has {vocabulary.size} pieces and the model {size}")
        return tokenizer

    def load(self, compile: bool = False) -> Any:
        """Return the model: an `Encoder`, or a `Pretrainer` of a `Decoder`, whose head is its token embedding.

        Args:
            compile: There for the likeness to `RunFolder`: a preset has no optimizer.

        Raises:
            InputError: The preset is damaged, or is not exactly what one of kpt's backbones computes.
        """
        arguments = arguments_of(self.family, self.config, self.path / CONFIG)
        tensors = PresetTensors(self.path)
        check_sizes(self.family, arguments, tensors)
        with zeros_instead():
            decodes = self.family.backbone == "decoder"
            model = Pretrainer(Decoder(**arguments), [CausalLM()]) if decodes else Encoder(**arguments)
        used = read_weights(model, self.family, tensors)
        if left := sorted(set(tensors) - used):
            raise InputError(f"{self.path} has the weight {left[0]!r}, which no {self.family.title} has that kpt reads")
        return model


def write_keras_hub(
    model: Any, tokenizer: Tokenizer, folder: str | os.PathLike[str], *, overwrite: bool = False
) -> Path:
    """Write a model as a preset that KerasHub's `from_preset` opens: `BertBackbone`, `GPT2CausalLM`, tokenizers.

    A preset has the backbone; heads of objectives and tasks stay behind, for which there is a warning. KerasHub's BERT
    takes the approximation of GELU by tanh, so that an encoder with the exact GELU gives outputs there that differ by
    about a thousandth; there is a warning too.

    Args:
        model: An `Encoder` or a `Decoder`, or a model of one.
        tokenizer: The one it was trained with: WordPiece of an encoder, byte-level BPE of a decoder.
        folder: It may exist if it is empty.
        overwrite: Whether to replace what is in it.

    Returns:
        The folder, which is written completely or not at all.

    Raises:
        InputError: KerasHub has no such backbone or tokenizer, the model has several tasks, or the folder cannot be
            written.

    Example:
        >>> kpt.interop.write_keras_hub(model, tokenizer, "bert-preset")  # doctest: +SKIP
        PosixPath('bert-preset')
    """
    refuse_several(model)
    backbone = getattr(model, "backbone", model)
    if not isinstance(backbone, Encoder | Decoder):
        raise InputError(f"a {type(backbone).__name__} has no form of KerasHub's; give an Encoder or a Decoder")
    kind = "BertBackbone" if isinstance(backbone, Encoder) else "GPT2Backbone"
    family, arguments = PRESETS[kind], dict(backbone.arguments)
    approximated = kind == "BertBackbone" and arguments["activation"] == "gelu"
    if approximated:
        arguments["activation"] = "gelu_tanh"
    if found := differences(family, arguments):
        raise InputError(f"{family.title} is not exactly this model: {'; '.join(found)}; export a SavedModel")
    if tokenizer.vocabulary.size > backbone.vocabulary_size:
        raise InputError(
            f"the tokenizer has {tokenizer.vocabulary.size} pieces and the model {backbone.vocabulary_size}; "
            "give the tokenizer that the model was trained with"
        )
    _check_tokenizer(tokenizer, family)
    if approximated:
        warnings.warn(f"{family.title} approximates GELU, so that its outputs differ by about 0.001", stacklevel=2)
    lost = [each.name for each in getattr(model, "objectives", ()) if each.default_name != "causal_lm"]
    if lost := lost or ([model.name] if hasattr(model, "head") else []):
        warnings.warn(f"not written, as a preset has the backbone alone: {', '.join(lost)}", stacklevel=2)
    config = {key: value for key, value in config_of(family, arguments).items() if key != "model_type"}
    with atomic_folder(folder, overwrite=overwrite) as temporary:
        _write_tokenizer(tokenizer, temporary, backbone.maximum_length)
        write_preset_tensors(temporary / PRESET_WEIGHTS, tensors_of(backbone, family), arguments["heads"])
        write_json(temporary / CONFIG, _object(kind, {**config, "name": family.backbone}, "float32"))
        versions = {"keras_version": keras.version(), "keras_hub_version": VERSION}
        write_json(temporary / "metadata.json", {**versions, "parameter_count": backbone.count_params(), "tasks": []})
    return Path(folder)


def _check_tokenizer(tokenizer: Tokenizer, family: Family) -> None:
    """Refuse what KerasHub has no tokenizer for."""
    vocabulary = tokenizer.vocabulary
    if family.backbone == "encoder":
        cls: type = WordPieceTokenizer
        special = SPECIAL_TOKENS
    else:
        cls, special = BytePairTokenizer, {"end": END_OF_TEXT}
    if not isinstance(tokenizer, cls):
        raise InputError(f"{family.title} takes a {cls.__name__} and no {type(tokenizer).__name__}")
    for role, token in special.items():
        if vocabulary.tokens[vocabulary.roles[role]] != token:
            raise InputError(f"{family.title} calls the token {role} {token}; train a tokenizer that does")


def _write_tokenizer(tokenizer: Any, folder: Path, length: int) -> None:
    assets, tokens = folder / ASSETS, tokenizer.vocabulary.tokens
    assets.mkdir(parents=True)
    if isinstance(tokenizer, WordPieceTokenizer):
        (assets / "vocabulary.txt").write_text("".join(f"{token}\n" for token in tokens), encoding="utf-8")
        options: dict[str, Any] = {"lowercase": tokenizer.lowercase, "strip_accents": tokenizer.strip_accents}
        write_json(folder / TOKENIZER, _object("BertTokenizer", {**options, "config_file": TOKENIZER}, "int32"))
        return
    ids = {token: i for i, token in enumerate(tokens)}
    (assets / "vocabulary.json").write_text(json.dumps(ids), encoding="utf-8")
    (assets / "merges.txt").write_text("".join(f"{a} {b}\n" for a, b in tokenizer.merges), encoding="utf-8")
    described = _object("GPT2Tokenizer", {"config_file": TOKENIZER}, "int32")
    write_json(folder / TOKENIZER, described)
    config = {"tokenizer": described, "sequence_length": length, "config_file": PREPROCESSOR}
    write_json(folder / PREPROCESSOR, _object("GPT2CausalLMPreprocessor", config, "float32"))


#: Where KerasHub has its classes.
_MODULES = {
    "BertBackbone": "bert.bert_backbone",
    "BertTokenizer": "bert.bert_tokenizer",
    "GPT2Backbone": "gpt2.gpt2_backbone",
    "GPT2Tokenizer": "gpt2.gpt2_tokenizer",
    "GPT2CausalLMPreprocessor": "gpt2.gpt2_causal_lm_preprocessor",
}


def _object(name: str, config: dict[str, Any], dtype: str) -> dict[str, Any]:
    """An object as Keras serializes it."""
    policy = {"module": "keras", "class_name": "DTypePolicy", "config": {"name": dtype}, "registered_name": None}
    return {
        "module": f"keras_hub.src.models.{_MODULES[name]}",
        "class_name": name,
        "config": {"name": name.lower(), "trainable": True, "dtype": policy, **config},
        "registered_name": f"keras_hub>{name}",
    }
