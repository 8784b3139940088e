"""`kpt demo`: the whole flow on real text that is already there."""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import kpt
from kpt.cli import demo_query
from kpt.cli.arguments import add_backend_argument, add_corpus_arguments, check_out, corpus_from, positive_integer
from kpt.cli.backend import load_backend
from kpt.cli.demo_models import DEMO_MODELS
from kpt.cli.output import Output
from kpt.errors import InputError
from kpt.files import check_writable_folder, write_json

__all__ = ["add_parser", "run"]

SCRIPT = "query.py"
MARKER, FORMAT = "demo.json", "kpt-demo"
# All that the demo writes, the marker last: as long as anything is left, the folder is known.
WRITTEN = (
    SCRIPT,
    "tokenizer",
    "store",
    "run",
    *(f"saved_models/{model.folder}" for model in DEMO_MODELS.values()),
    MARKER,
)
WITHOUT_KPT = """
import runpy, sys, types
sys.modules.update(kpt=None, keras=None)  # their import then fails
name = "tensorflow_text.python.keras"  # its Keras layers, which it imports in any case
sys.modules[name] = types.ModuleType(name)
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def add_parser(verbs: Any) -> argparse.ArgumentParser:
    """Describe the verb."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "demo",
        help="run the whole flow on real text",
        description="Run the whole flow in about five minutes on two cores: train a tokenizer, write a token store, "
        "pre-train a small BERT (or GPT, or vectors of words), evaluate it on held-out documents, export it, and query "
        "the export in a process that has no kpt. The text is the documentation of Python and of the installed "
        "packages, or FILES.",
        epilog="Example: kpt demo --out demo",
    )
    add_corpus_arguments(parser)
    parser.add_argument("--model", choices=tuple(DEMO_MODELS), default="bert", help="what is trained (default: bert)")
    parser.add_argument("--out", type=Path, default=Path("demo"), metavar="DIR", help="folder for all (default: demo)")
    parser.add_argument("--overwrite", action="store_true", help="replace what an earlier demo left in that folder")
    parser.add_argument("--saved-models", type=Path, metavar="DIR", help="folder of the export (default: in --out)")
    parser.add_argument("--size", metavar="NAME", help="size of the model (default: mini)")
    parser.add_argument(
        "--vocabulary-size", type=positive_integer, metavar="N", help="(default: 8000; for word2vec 20000 at most)"
    )
    parser.add_argument("--steps", type=positive_integer, metavar="N", help="of training (default: 450)")
    parser.add_argument("--batch-size", type=positive_integer, metavar="N", help="(default: 32; for word2vec 1)")
    parser.add_argument(
        "--length", type=positive_integer, metavar="N", help="(default: 128; for word2vec 2048 at most)"
    )
    add_backend_argument(parser)
    parser.set_defaults(run=run)
    return parser


def run(arguments: argparse.Namespace, output: Output) -> dict[str, Any]:
    """Run the flow."""
    begin = time.perf_counter()
    backend = load_backend(arguments.backend)
    from kpt.data import prepare
    from kpt.training import RunFolder

    arguments.documentation = arguments.documentation or not arguments.files
    corpus = corpus_from(arguments)
    model = DEMO_MODELS[arguments.model](arguments)
    out = Path(arguments.out)
    check_out(out, MARKER, overwrite=arguments.overwrite, written_as=FORMAT)
    check_inputs(getattr(corpus, "files", ()), out)
    if arguments.saved_models:
        check_writable_folder(arguments.saved_models)
    remove_earlier(out)
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / MARKER, {"format": FORMAT, "kpt": kpt.__version__})
    shutil.copyfile(demo_query.__file__, out / SCRIPT)

    source = "the documentation of the installed packages" if arguments.documentation else "your files"
    output.heading(f"1  Read {source} and train a tokenizer")
    vocabulary_size = arguments.vocabulary_size or model.vocabulary_size
    tokenizer = model.tokenizer(corpus, vocabulary_size, progress=output.is_terminal)
    tokenizer.save(out / "tokenizer")
    output.line(f"{tokenizer.vocabulary.size:,} {model.tokens}: {out / 'tokenizer'}")

    output.heading("2  Write a token store")
    store = prepare(corpus, tokenizer, out / "store", progress=True)
    output.line(
        f"{store.documents:,} documents, {store.sentences:,} sentences, {store.tokens:,} tokens: {store.folder}"
    )

    output.heading(f"3  Pre-train {model.described} on {backend}")
    results = model.pretrain(out / "store", out / "run")
    output.line(model.summary(results))

    output.heading("4  Export it as a SavedModel")
    models = arguments.saved_models or out / "saved_models"
    exported = model.export(RunFolder(out / "run"), models / model.folder)
    output.line(str(exported))

    output.heading("5  Query the export in a process that has neither kpt nor Keras")
    answers = query(out / SCRIPT, exported, model.questions)
    for answer in answers:
        output.line(words(answer))

    seconds = time.perf_counter() - begin
    output.heading(f"Done in {seconds:.0f} seconds")
    output.line(f"The curves and samples: {results['report']}")
    output.line(f'Ask more: python {out / SCRIPT} {exported} "{model.another}"\n')
    return {
        "seconds": round(seconds, 1),
        "documents": store.documents,
        "tokens": store.tokens,
        "vocabulary_size": tokenizer.vocabulary.size,
        "backend": backend,
        **{name: value for name, value in results.items() if name not in ("seconds", "run", "report")},
        "seconds_pretrain": results["seconds"],
        "saved_model": str(exported),
        "report": results["report"],
        "answers": answers,
    }


def check_inputs(files: Iterable[Path], out: Path) -> None:
    """Make sure that no text is read from the folder that is written.

    Raises:
        InputError: a file lies in it.
    """
    for file in files:
        if file.resolve().is_relative_to(out.resolve()):
            raise InputError(f"the text {file} lies in the folder {out} that is written; choose another --out")


def remove_earlier(out: Path) -> None:
    """Remove what an earlier demo wrote into a folder, and nothing else."""
    for name in WRITTEN:
        path = out / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def query(script: Path, exported: Path, texts: Sequence[str]) -> list[dict[str, Any]]:
    """Have the script answer texts in a process in which neither kpt nor Keras can be imported.

    Raises:
        RuntimeError: it failed; the message is its last line.
    """
    command = [sys.executable, "-P", "-c", WITHOUT_KPT, str(script), str(exported), *texts]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise RuntimeError(f"the query of {exported} failed: {lines[-1] if lines else done.returncode}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def words(answer: dict[str, Any]) -> str:
    """An answer for people.

    Example:
        >>> words({"text": "a [MASK]", "guesses": [[["cat", 0.5], ["dog", 0.25]]]})
        'a [MASK]  ->  cat 50 %, dog 25 %'
    """
    if "guesses" in answer:
        guesses = "; ".join(", ".join(f"{token} {chance:.0%}" for token, chance in mask) for mask in answer["guesses"])
        return f"{answer['text']}  ->  {guesses.replace('%', ' %')}"
    if "continuation" in answer:
        return f"{' '.join(answer['text'].split())}  ->  {' '.join(answer['continuation'].split())}"
    if "neighbours" in answer:
        near = ", ".join(f"{word} {similarity:.2f}" for word, similarity in answer["neighbours"])
        return f"{answer['word']}  ->  {near or 'not in the vocabulary'}"
    chance = f"{answer['probability']:.0%}".replace("%", " %")
    return f"{answer['first']}  +  {answer['second']}  ->  follows: {chance}"
