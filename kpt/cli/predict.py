"""`kpt predict`: what a tuned model tells of texts, a JSON object a line."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from kpt.cli.arguments import add_backend_argument, add_task_argument, positive_integer
from kpt.cli.backend import load_backend
from kpt.cli.output import Output
from kpt.errors import InputError

if TYPE_CHECKING:
    from kpt.data.text_records import TextRecord

__all__ = ["add_parser", "run"]


def add_parser(verbs: Any) -> argparse.ArgumentParser:
    """Describe the verb."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "predict",
        help="tell the labels, numbers, entities or answers of texts",
        description="Tell what a tuned model was trained to tell of texts. Each text gets a line with a JSON object, "
        "in the order of the texts: its label and the probability of each, its number, or its entities with the places "
        "of their characters. A question answerer reads SQuAD's json, of which each question gets a line with its id, "
        "or records with a question and a context. But for SQuAD's json, which is read as a whole, the file may have "
        "any size. An empty text is told like any other, and counted.",
        epilog="Example: kpt predict --from tuned reviews.jsonl --keep id > predicted.jsonl",
    )
    parser.add_argument(
        "file",
        metavar="FILE",
        help=".txt (a text a line) .jsonl .csv .tsv, for questions .json (SQuAD's), or .gz; - for the input",
    )
    parser.add_argument("--from", dest="source", required=True, metavar="RUN", help="what `kpt finetune` wrote")
    add_task_argument(parser, "tell")
    parser.add_argument("--out", type=Path, metavar="FILE", help="where to write them (default: standard output)")
    parser.add_argument(
        "--keep", nargs="+", default=[], metavar="FIELD", help="copy these fields of each record to its line"
    )
    parser.add_argument(
        "--kind",
        choices=("text", "jsonl", "csv", "tsv", "squad"),
        help="of the file (default: by its name; for - text, or squad for questions)",
    )
    parser.add_argument("--text-field", metavar="NAME", help="field of the text (default: as in training)")
    parser.add_argument("--pair-field", metavar="NAME", help="field of the second text (default: as in training)")
    parser.add_argument(
        "--batch-size",
        type=positive_integer,
        default=32,
        metavar="N",
        help="texts told together (default: 32); of the input no more are read before they are told",
    )
    add_backend_argument(parser)
    parser.set_defaults(run=run)
    return parser


def run(arguments: argparse.Namespace, output: Output) -> dict[str, Any]:
    """Read, tell and write, a group of texts at a time."""
    if output.as_json and arguments.out is None:
        raise InputError("--json prints the results alone on standard output; add --out FILE for the predictions")
    begin = time.perf_counter()
    load_backend(arguments.backend)
    from kpt.data.squad_records import read_squad_records
    from kpt.data.text_records import STANDARD_INPUT, read_text_records
    from kpt.files import atomic_file
    from kpt.tasks.predictions import predictions
    from kpt.training.finetuning import load_task_model
    from kpt.training.run_folder import RunFolder

    config = RunFolder(arguments.source).config
    # What a run of several tasks lacks is said when it is loaded.
    training = config.get("tasks", {}).get(arguments.task) or config.get("training", {})
    fields = training.get("text_field", "text"), training.get("pair_field")
    asked = training.get("task") == "qa"
    if asked:
        fields = "question", "context"
    squad = is_squad(arguments, asked)
    problems: Counter[str] = Counter()
    records: Iterable[TextRecord]
    if squad:
        records = read_squad_records(arguments.file, problems=problems)
    else:
        records = read_text_records(
            arguments.file,
            text_field=arguments.text_field or fields[0],
            pair_field=arguments.pair_field or fields[1],
            kind=arguments.kind,
            problems=problems,
        )
    keep = list(dict.fromkeys(["id", *arguments.keep])) if squad else arguments.keep
    model = load_task_model(arguments.source, arguments.task)
    batch_size: int = arguments.batch_size
    group = batch_size if arguments.file == STANDARD_INPUT else 32 * batch_size
    kept: deque[dict[str, Any]] = deque()  # of the texts that are read and not yet told
    count = 0
    with ExitStack() as stack:
        stream: TextIO = sys.stdout
        if arguments.out is not None:
            path = stack.enter_context(atomic_file(arguments.out))
            stream = stack.enter_context(path.open("w", encoding="utf-8"))
        texts = texts_of(records, keep, kept)
        for told in predictions(model, texts, batch_size=batch_size, group=group):
            stream.write(json.dumps({**kept.popleft(), **told}, ensure_ascii=False) + "\n")
            count += 1
            if count % group == 0:
                stream.flush()
    results = {"texts": count, **problems, "seconds": round(time.perf_counter() - begin, 2)}
    if arguments.out is not None:
        return {"from": arguments.source, "out": str(arguments.out), **results}
    sys.stdout.flush()
    print(", ".join(f"{name} {value:,}" for name, value in results.items()), file=sys.stderr)
    return {}


def is_squad(arguments: argparse.Namespace, asked: bool) -> bool:
    """Tell whether the file is SQuAD's json: by `kind`, or for a question answerer by its name where no field is named.

    Raises:
        InputError: it is said to be, and the model answers no questions or a field is named.
    """
    named = arguments.text_field is not None or arguments.pair_field is not None
    if arguments.kind == "squad":
        if not asked:
            raise InputError(
                f"--kind squad is for what `kpt finetune qa` wrote, which {arguments.source} is not; give its own kind"
            )
        if named:
            raise InputError("SQuAD's json has its own fields; leave out --text-field and --pair-field")
        return True
    name = str(arguments.file).lower().removesuffix(".gz")
    return asked and not named and arguments.kind is None and (name == "-" or name.endswith(".json"))


def texts_of(records: Iterable[TextRecord], keep: list[str], kept: deque[dict[str, Any]]) -> Iterator[Any]:
    """Yield the texts, or pairs of them, and lay by what is kept of each record.

    Raises:
        InputError: a record lacks a field that is to be kept.
    """
    for record in records:
        for name in keep:
            if name not in record.record:
                have = ", ".join(map(repr, list(record.record)[:8]))
                raise InputError(f"{record.place}: no field {name!r} to keep (fields: {have}); name another")
        kept.append({name: record.record[name] for name in keep})
        yield record.texts[0] if len(record.texts) == 1 else record.texts
