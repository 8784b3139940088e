"""A pre-trained model as a TensorFlow SavedModel that takes text."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kpt.data import sequence_marks
from kpt.errors import InputError
from kpt.export.versions import check_installed, version_folder
from kpt.files import atomic_folder, check_writable_folder
from kpt.text import BytePairTokenizer, CharacterTokenizer

if TYPE_CHECKING:
    from kpt.objectives import Pretrainer
    from kpt.tasks import MultiTask, TaskModel
    from kpt.text import Tokenizer

__all__ = ["generates", "saved_model"]

#: What weights may be stored as, beside what they are.
WEIGHTS = ("int8",)

SHORTEST = 5  # [CLS] a [SEP] b [SEP]
SHORTEST_CAUSAL = 2  # a prompt and a token after it

# What works with the operations of TensorFlow alone.
WITHOUT_TEXT = (BytePairTokenizer, CharacterTokenizer)


def saved_model(
    pretrainer: Pretrainer | TaskModel | MultiTask,
    tokenizer: Tokenizer,
    folder: str | os.PathLike[str],
    *,
    length: int | None = None,
    top_k: int = 5,
    weights: str | None = None,
    version: int | None = None,
) -> Path:
    """Write a model, with its tokenizer in the graph, as the next version in a folder that TensorFlow Serving serves.

    To be loaded the SavedModel needs tensorflow and, for WordPiece and SentencePiece, tensorflow_text; nothing in it is
    Keras's or kpt's. The version appears complete or not at all, and none is ever replaced. A model on JAX or PyTorch
    is exported by a process of its own on TensorFlow.

    Each signature takes any number of texts n; every output has n rows. Those of an encoder:

    - `serving_default`: `texts` string [n] to `pooled` float32 [n, width] (if the model has a pooler) and `mean`
      float32 [n, width], the mean of the vectors of all tokens, [CLS] and [SEP] included.
    - `fill_mask`, if the model has `MaskedLM` and the tokenizer, WordPiece, keeps a literal `[MASK]`: `texts` string
      [n], in which `[MASK]` stands for what is to be guessed, to `tokens` string, `probabilities` float32 and
      `token_ids` int32, [n, m, k] each, for m masks the k most probable pieces of the vocabulary, most probable first
      (`##s` continues a word); and `mask_count` int32 [n]. m is the largest count of the batch, and at least 1; where a
      text has fewer masks, or none, stand "", 0 and the id of [PAD].
    - `next_sentence`, if the model has `NextSentence`: `first` string [n] and `second` string [n] to `probability`
      float32 [n], that the second follows the first.

    Text is tokenized as in training. What is over the length is cut: the end of a single text (masks in it are not
    counted), and of a pair the end of whichever is longer, token by token. Batches are padded to their longest text.

    A model with `CausalLM` has these instead:

    - `serving_default` generates: `prompts` string [n], `max_new_tokens` int32, `temperature` float32 (0: the most
      probable token), `top_k` int32 (0: all tokens), `top_p` float32 (1: all tokens) and `seed` int32 to `texts` string
      [n], what `kpt.generate` gives for the same arguments: without the prompt, up to the end of text. The five
      settings have one value for all prompts: a scalar, or the same value for each, as TensorFlow Serving's `instances`
      have it. An empty prompt is the beginning of a text. The texts are valid UTF-8, U+FFFD for any other byte.
    - `score`: `texts` string [n] to `log_likelihood` float32 [n], in nats, and `token_count` int32 [n], as
      `kpt.generation.score` has them.
    - `zero_shot`: `texts` string [n], `labels` string [m] and `template` string, such as "{text} {label}", to
      `probabilities` float32 [n, m], as `kpt.generation.zero_shot` has them by default.

    An input out of its range is an InvalidArgumentError that says so, and so is a text over the length: nothing is cut,
    as that would change what is asked.

    The signatures of a `kpt.Classifier` and a `kpt.Regressor` are those of `kpt.export.task_signatures`, that of a
    `kpt.Tagger` is in `kpt.export.tag_signatures`, that of a `kpt.QuestionAnswerer` in
    `kpt.export.question_signatures`, those of a `kpt.MultiTask` in `kpt.export.multi_task_signatures`.

    Args:
        pretrainer: the model, or an encoder without objectives, whose `serving_default` alone is exported.
        tokenizer: the tokenizer that it was trained with.
        folder: the model's folder, such as `saved_models/bert`; made if it is missing.
        length: tokens of a sequence at most, special tokens included, and prompt and text together; by default the
            model's maximum length, and of a tuned model its `length`.
        top_k: guesses for each mask; a model without `MaskedLM` makes none.
        weights: `"int8"` for matrices of 8 bits (`kpt.export.int8_weights`): a quarter of the size, and answers that
            differ a little, by as much as `assets.extra/kpt.json` says; a call takes somewhat longer. None for what the
            model has.
        version: number of the version; by default 1 more than the highest.

    Returns:
        The path of the version's folder. `kpt.export.serving_files` tells what else is in it.

    Raises:
        InputError: the tokenizer is not the model's, the length is over the model's, a number is not positive, the
            version exists, the folder cannot be written, or TensorFlow or TensorFlow Text is not installed.

    Example:
        >>> kpt.export.saved_model(pretrainer, tokenizer, "saved_models/bert")  # doctest: +SKIP
        PosixPath('saved_models/bert/1')
    """
    from kpt.layers import merge_lora
    from kpt.tasks import MultiTask, TaskModel

    merge_lora(pretrainer)
    causal = generates(pretrainer)
    backbone: Any = getattr(pretrainer, "backbone", pretrainer)
    if isinstance(pretrainer, TaskModel | MultiTask):
        if pretrainer.windows > 1 and length not in (None, pretrainer.length):
            raise InputError(
                f"length is {length}, and the model reads texts in windows of {pretrainer.length}; leave the length out"
            )
        length = check_length(
            backbone, pretrainer.length if length is None else length, sequence_marks(tokenizer.vocabulary).pair + 2
        )
    else:
        length = check_length(backbone, length, SHORTEST_CAUSAL if causal else SHORTEST)
    if top_k < 1:
        raise InputError(f"top_k is {top_k}; give 1 or more guesses for a mask")
    if weights not in (None, *WEIGHTS):
        raise InputError(f"weights is {weights!r}; choose {' or '.join(WEIGHTS)}, or leave it out")
    vocabulary_size = backbone.vocabulary_size
    if tokenizer.vocabulary.size != vocabulary_size:
        raise InputError(
            f"the tokenizer has {tokenizer.vocabulary.size} pieces and the model {vocabulary_size}; "
            "give the tokenizer that the model was trained with"
        )
    check_installed("tensorflow", *(() if isinstance(tokenizer, WITHOUT_TEXT) else ("tensorflow_text",)))
    target = version_folder(folder, version)

    import keras

    if keras.backend.backend() != "tensorflow":
        from kpt.export.tensorflow_process import export_in_process

        check_writable_folder(folder)
        place = {"folder": os.fspath(folder), "version": int(target.name)}
        arguments = {**place, "length": length, "top_k": top_k, "weights": weights}
        return export_in_process(pretrainer, tokenizer, target, "saved_model", arguments)

    import tensorflow as tf

    from kpt.export.serving_files import largest_difference, write_serving_files

    samples: dict[str, Any] = {}
    served, notes = served_model(pretrainer, tokenizer, length, top_k)
    if "mask" in notes:
        samples["mask"] = notes["mask"]
    if causal and isinstance(tokenizer, CharacterTokenizer) and "unk" not in tokenizer.vocabulary.roles:
        special = tokenizer.vocabulary.special_ids
        samples["characters"] = "".join(t for i, t in enumerate(tokenizer.vocabulary.tokens) if i not in special)
    if weights is not None:
        from kpt.export.int8_weights import Int8Weights
        from kpt.export.settings import traced_within

        exact, small = served, Int8Weights(pretrainer.weights)
        with traced_within(small.in_place):
            served, _ = served_model(pretrainer, tokenizer, length, top_k)
        served.int8_weights = small
        for part in (served, *getattr(served, "tasks", {}).values()):
            part.weights = small.kept
        sizes = dict(zip(("bytes", "float32_bytes"), small.sizes, strict=True))
        difference = largest_difference(served.functions, exact.functions, samples)
        notes["weights"] = {"type": weights, **sizes, "largest_difference": difference}
    with atomic_folder(target) as temporary:
        tf.saved_model.save(served, os.fspath(temporary), signatures=served.functions)
        if isinstance(pretrainer, TaskModel | MultiTask):
            from kpt.export.task_signatures import set_method_names

            set_method_names(temporary, served.methods)
        notes = {
            "vocabulary_size": vocabulary_size,
            "width": backbone.width,
            "length": length,
            "compute_dtype": compute_dtype(backbone),
            **notes,
            "tokenizer": {"fingerprint": tokenizer.fingerprint, **tokenizer.options},
        }
        write_serving_files(temporary, target.absolute().parent.name, served.functions, notes, samples)
    return target


def served_model(model: Any, tokenizer: Tokenizer, length: int, top_k: int) -> tuple[Any, dict[str, Any]]:
    """Return a model behind its tokenizer, with its `functions`, and what the note beside the export says of it."""
    from kpt.tasks import MultiTask, QuestionAnswerer, Tagger, TaskModel

    if generates(model):
        from kpt.export.causal_signatures import ServedDecoder

        return ServedDecoder(model, tokenizer, length), {}
    if isinstance(model, TaskModel):
        from kpt.export.question_signatures import ServedAnswerer
        from kpt.export.tag_signatures import ServedTagger
        from kpt.export.task_signatures import ServedTask, task_notes

        serve: Any = ServedTask
        if isinstance(model, Tagger):
            serve = ServedTagger
        elif isinstance(model, QuestionAnswerer):
            serve = ServedAnswerer
        return serve(model, tokenizer, length), task_notes(model)
    if isinstance(model, MultiTask):
        from kpt.export.multi_task_signatures import ServedTasks, tasks_notes

        return ServedTasks(model, tokenizer, length), tasks_notes(model)
    from kpt.export.encoder_signatures import ServedEncoder

    served = ServedEncoder(model, tokenizer, length, top_k)
    notes: dict[str, Any] = {"top_k": top_k}
    if "fill_mask" in served.functions:
        notes["mask"] = tokenizer.vocabulary.tokens[tokenizer.vocabulary.mask_id]
    return served, notes


def generates(model: Any) -> bool:
    """Return whether a model is exported as one that generates text: one with the objective `CausalLM`.

    Args:
        model: a `Pretrainer`, a tuned model, or a backbone without objectives.
    """
    from kpt.objectives import CausalLM

    return any(isinstance(objective, CausalLM) for objective in getattr(model, "objectives", ()))


def compute_dtype(backbone: Any) -> str:
    """Return what the layers of a backbone compute in; a functional Keras model has a policy of its own beside it."""
    return str(getattr(backbone, "encoder_policy", backbone.dtype_policy).compute_dtype)


def check_length(backbone: object, length: int | None, shortest: int) -> int:
    """Return the length to export, by default the model's.

    Args:
        backbone: the model.
        length: what was asked for.
        shortest: what it must be at least.

    Raises:
        InputError: the length is under the shortest or over the model's, or the model does not say its own.
    """
    longest: int | None = getattr(backbone, "maximum_length", None)
    if length is None:
        if longest is None:
            raise InputError("the model has no maximum_length; give the length to export it with")
        return longest
    if length < shortest or (longest is not None and length > longest):
        limit = "" if longest is None else f" and at most the model's {longest}"
        raise InputError(f"length is {length}; give at least {shortest}{limit}")
    return length
