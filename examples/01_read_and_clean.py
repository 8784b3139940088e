"""Read text, clean it, and keep it as JSON lines.

`python examples/01_read_and_clean.py` reads the documentation of the installed packages, and
`python examples/01_read_and_clean.py reviews/*.csv.gz` your own files.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import kpt
from kpt.text import Document, clean

# Cleaning is a list of functions from text to text. There are also strip_accents, fold_case and remove_stop_words.
TIDY = clean.compose(
    clean.remove_control_characters,
    clean.normalize_unicode("NFC"),
    clean.collapse_white_space,
)


def read(files: list[str], packages: list[str] | None) -> Iterator[Document]:
    """Yield documents one at a time, so that the size of the files does not matter."""
    if not files:
        for document in kpt.text.documentation(packages):
            yield replace(document, text=TIDY(document.text))
        return
    corpus = kpt.Corpus(files, text_field="text", label_field="label", clean=[clean.strip_html, TIDY])
    yield from corpus
    print("met on the way:", dict(corpus.problems) or "nothing odd")


parser = argparse.ArgumentParser()
parser.add_argument("files", nargs="*")
parser.add_argument("--packages", nargs="+", help="whose documentation (default: of all that kpt requires)")
parser.add_argument("--out", type=Path, default=Path("runs/corpus.jsonl"))
arguments = parser.parse_args()

arguments.out.parent.mkdir(parents=True, exist_ok=True)
documents = words = 0
with arguments.out.open("w", encoding="utf-8") as file:
    for document in read(arguments.files, arguments.packages):
        fields = {"text": document.text, "label": document.label, "id": document.id}
        print(json.dumps(fields, ensure_ascii=False), file=file)
        documents += 1
        words += len(document.text.split())
print(f"{documents:,} documents of {words:,} words: {arguments.out}")
