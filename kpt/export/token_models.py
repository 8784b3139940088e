"""Models that take token ids, as ONNX and OpenVINO files beside the tokenizer that makes the ids."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import keras
import numpy as np

import kpt
from kpt.data import encode_texts, sequence_marks
from kpt.errors import InputError
from kpt.export.saved_model import check_length
from kpt.files import atomic_folder, check_writable_folder, write_json
from kpt.interop.tokenizer_files import set_batches, set_marks
from kpt.tasks import TaskModel, refuse_several
from kpt.text import Tokenizer

__all__ = ["FORMATS", "export_token_model"]

#: What each format needs, and the file it is.
FORMATS = {
    "onnx": (("tf2onnx", "onnx", "onnxruntime"), "model.onnx"),
    "openvino": (("openvino",), "openvino_model.xml"),
}
OPSET = 17
#: What an output may differ by from the model's, relative where it is over 1.
TOLERANCE = 1e-4
TEXTS = ("It rained.", "A good film, and a long one: three hours of it went by like one.", "Ein Satz, une phrase.")


def export_token_model(
    model: Any,
    tokenizer: Tokenizer,
    folder: str | os.PathLike[str],
    format: str = "onnx",
    *,
    length: int | None = None,
) -> Path:
    """Write an encoder or a task model for ONNX Runtime or OpenVINO, for any number of texts and of tokens.

    Inputs and outputs are those of `kpt.export.token_functions.token_function`, in float32 whatever the model computes
    in. The folder has the tokenizer too: `tokenizers.Tokenizer.from_file(FOLDER/tokenizer.json).encode_batch(texts)`
    gives `ids`, `attention_mask` and `type_ids` of the texts as the model was trained on them, cut to the length and
    padded; all text is plain text there. `kpt.json` names the labels. A text that the model reads in several windows is
    cut to one.

    Before the folder appears the file is run by its library, and its outputs are compared with the model's. OpenVINO
    may compute in bfloat16 where the processor has it; `compile_model(..., {"INFERENCE_PRECISION_HINT": "f32"})` keeps
    it from that.

    Args:
        model: An `Encoder`, a `Pretrainer` of one (its heads are left behind), or a task model.
        tokenizer: The one it was trained with.
        folder: It may exist if it is empty.
        format: `"onnx"` (`model.onnx`) or `"openvino"` (`openvino_model.xml` and `.bin`).
        length: Tokens of a text at most, marks included; by default that of a tuned model, or the positions.

    Returns:
        The folder, which is written completely or not at all.

    Raises:
        InputError: The model generates or has several tasks, the tokenizer is not the model's, the length is not within
            its positions, or the library of the format is not installed.
        RuntimeError: The file gives other outputs than the model.

    Example:
        >>> kpt.export.export_token_model(model, tokenizer, "reviews.onnx")  # doctest: +SKIP
        PosixPath('reviews.onnx')
    """
    if format not in FORMATS:
        raise InputError(f"format is {format!r}; choose one of {', '.join(FORMATS)}")
    modules, file = FORMATS[format]
    for module in ("tensorflow", *modules):
        if find_spec(module) is None:
            raise InputError(f"--format {format} needs {module}; run: pip install 'kpt[{format}]'")
    refuse_several(model)
    backbone = getattr(model, "backbone", model)
    if isinstance(model, TaskModel) and length is None:
        length = model.length
    length = check_length(backbone, length, sequence_marks(tokenizer.vocabulary).pair + 2)
    if tokenizer.vocabulary.size != backbone.vocabulary_size:
        raise InputError(
            f"the tokenizer has {tokenizer.vocabulary.size} pieces and the model {backbone.vocabulary_size}; "
            "give the tokenizer that the model was trained with"
        )
    if keras.backend.backend() != "tensorflow":
        from kpt.export.tensorflow_process import export_in_process

        check_writable_folder(Path(os.path.abspath(folder)).parent)
        arguments = {"format": format, "length": length}
        return export_in_process(model, tokenizer, Path(folder), "export_token_model", arguments)

    from kpt.export.token_functions import in_float32, token_function

    function, specs = token_function(in_float32(model))
    with atomic_folder(folder) as temporary:
        tokenizer.save(temporary)
        set_marks(temporary, tokenizer, length)
        set_batches(temporary, tokenizer, length)
        outputs = (_write_onnx if format == "onnx" else _write_openvino)(function, specs, temporary / file)
        names = [spec.name for spec in specs]
        compare(temporary / file, function, sample_inputs(tokenizer, names, length))
        labels = {"labels": list(model.labels)} if hasattr(model, "labels") else {}
        notes = {"kpt": kpt.__version__, "inputs": names, "outputs": outputs, "length": length, **labels}
        write_json(temporary / "kpt.json", notes)
    return Path(folder)


def sample_inputs(tokenizer: Tokenizer, names: list[str], length: int) -> dict[str, np.ndarray]:
    """Return model inputs of a few texts, by the names of the files."""
    batch = encode_texts(tokenizer, TEXTS, length=length).batch(np.arange(len(TEXTS)))
    ours = {"input_ids": "token_ids", "token_type_ids": "segment_ids", "attention_mask": "padding_mask"}
    return {name: batch[ours[name]].astype(np.int64) for name in names}


def compare(file: Path, function: Any, inputs: dict[str, np.ndarray]) -> float:
    """Return the largest difference between the outputs of a file and of a function, relative where over 1.

    Raises:
        RuntimeError: It is over 1e-4.
    """
    wanted = {name: value.numpy() for name, value in function(*inputs.values()).items()}
    found = run_file(file, inputs)
    largest = max(
        float(np.max(np.abs(found[name] - value) / np.maximum(1.0, np.abs(value)), initial=0.0))
        for name, value in wanted.items()
    )
    if not largest <= TOLERANCE:
        raise RuntimeError(f"{file.name} gives outputs that differ by {largest:.3g} from the model's")
    return largest


def run_file(file: Path, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the outputs of a file by their names, computed by its own library in float32.

    Args:
        file: ONNX, or OpenVINO's.
        inputs: By their names.
    """
    if file.suffix == ".onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(os.fspath(file), providers=["CPUExecutionProvider"])
        names = [output.name for output in session.get_outputs()]
        return dict(zip(names, session.run(names, inputs), strict=True))
    import openvino

    compiled = openvino.Core().compile_model(os.fspath(file), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return {output.any_name: np.array(value) for output, value in compiled(inputs).items()}


def _write_onnx(function: Any, specs: list[Any], file: Path) -> list[str]:
    """Write a function as ONNX; returns the names of the outputs."""
    import onnx
    import tensorflow as tf
    import tf2onnx

    def erfc(graph: Any, node: Any, name: str, _: Any) -> None:
        """Write Erfc(x), which ONNX has not, as 1 - Erf(x)."""
        node.type, node.domain = "Erf", ""
        one = graph.make_const(f"{name}/one", np.ones((), np.float32)).output[0]
        negative = graph.insert_new_node_on_output("Neg", node.output[0], name=f"{name}/negative").output[0]
        graph.insert_new_node_on_output("Add", negative, name=f"{name}/complement", inputs=[negative, one])

    traced = tf.function(function, jit_compile=False, autograph=False)
    model, _ = tf2onnx.convert.from_function(
        traced, input_signature=specs, opset=OPSET, custom_op_handlers={"Erfc": (erfc, [])}
    )
    for value in (*model.graph.input, *model.graph.output):
        for dimension, name in zip(value.type.tensor_type.shape.dim, ("batch", "length", ""), strict=False):
            if not dimension.dim_value:
                dimension.dim_param = name
    onnx.save(model, os.fspath(file))
    return [output.name for output in model.graph.output]


def _write_openvino(function: Any, specs: list[Any], file: Path) -> list[str]:
    """Write a function for OpenVINO; returns the names of the outputs."""
    import openvino
    import tensorflow as tf

    traced = tf.function(function, jit_compile=False, autograph=False).get_concrete_function(*specs)
    model = openvino.convert_model(traced)
    openvino.save_model(model, os.fspath(file), compress_to_fp16=False)
    return [output.any_name for output in model.outputs]
