"""What a model may be started from: a run folder, a Hugging Face folder, or a name on the hub, by one argument."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

from kpt.errors import InputError
from kpt.interop import HuggingFaceFolder, KerasHubFolder, download, hub_name, is_preset
from kpt.tasks import MultiTask, TaskModel
from kpt.text import Tokenizer
from kpt.text.folder_files import read_json
from kpt.training.run_folder import RunFolder

__all__ = ["Loaded", "load", "open_source"]


class Loaded(NamedTuple):
    """A model and its tokenizer."""

    model: Any
    tokenizer: Tokenizer


def open_source(source: str | os.PathLike[str]) -> RunFolder | HuggingFaceFolder | KerasHubFolder:
    """Return the folder that a source names; all kinds have `path`, `config`, `step`, `tokenizer` and `load`.

    Args:
        source: A run folder, a Hugging Face folder, a KerasHub preset's, or `hf://OWNER/MODEL`, which is fetched.

    Raises:
        InputError: It is none of these, or cannot be fetched.
    """
    named = hub_name(os.fspath(source))
    path = download(*named) if named else Path(source)
    if not path.is_dir():
        raise InputError(f"there is no folder {path}; give a run folder, a Hugging Face folder or hf://OWNER/MODEL")
    if not (path / "config.json").is_file():
        raise InputError(
            f"{path} has no config.json; give a run folder that `kpt pretrain` wrote, or a Hugging Face folder"
        )
    try:
        return RunFolder(path)
    except InputError:
        # A run says so in its config.json, so what does not is somebody else's.
        return KerasHubFolder(path) if is_preset(read_json(path / "config.json")) else HuggingFaceFolder(path)


def load(source: str | os.PathLike[str]) -> Loaded:
    """Load a model and its tokenizer.

    The model is a `Pretrainer` where the heads of its objectives are there, a `Classifier`, `Regressor` or `Tagger`
    where that of a task is, a `MultiTask` where those of several are, and its `backbone` the `Encoder` or `Decoder`; of
    a checkpoint without heads it is the bare backbone. A task model has the tokenizer, so that it takes raw texts. Of a
    checkpoint for question answering it is a `TaskModel` whose two logits a token say that the answer begins and that
    it ends there. Nothing that is read can run code.

    Args:
        source: A run folder, a Hugging Face folder (BERT, RoBERTa, DistilBERT, ALBERT, ELECTRA, GPT-2, Llama, Qwen2,
            Arcee; safetensors alone), the folder of a KerasHub preset (BERT, GPT-2), or `hf://OWNER/MODEL`, for which
            huggingface_hub must be installed.

    Raises:
        InputError: It is none of these, is damaged, or computes what kpt's backbones do not.

    Example:
        >>> model, tokenizer = kpt.load("hf://openai-community/gpt2")  # doctest: +SKIP
        >>> kpt.generate(model, tokenizer, "Once upon a time", max_new_tokens=5)  # doctest: +SKIP
        [', the world was a']
    """
    folder = open_source(source)
    model, tokenizer = folder.load(compile=False), folder.tokenizer
    if isinstance(model, TaskModel | MultiTask):
        model.tokenizer = tokenizer
    return Loaded(model, tokenizer)
