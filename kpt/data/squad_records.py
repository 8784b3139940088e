"""Questions of SQuAD's json as records of texts: what a tuned model is asked."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

from kpt.data.squad import asked_questions
from kpt.data.text_records import STANDARD_INPUT, TextRecord
from kpt.text.blocks import read_blocks, stream_blocks
from kpt.text.sources import find_files

__all__ = ["read_squad_records"]


def read_squad_records(file: str | Path, *, problems: Counter[str] | None = None) -> list[TextRecord]:
    """Return the questions of a file with their texts, in their order; they need no answers.

    The file is one json document, so all of it is read, and found good, before the first question is told.

    Args:
        file: a path, gzip too, or ``-`` for standard input.
        problems: receives the counts of `kpt.text.blocks` and ``empty``, that of questions that are empty or whose
            text is.

    Returns:
        For each the question and the text, and as its record the keys of the question, its id as a string, with
        ``context``.

    Raises:
        InputError: as `kpt.data.squad.asked_questions`, or the file is missing or damaged.

    Example:
        >>> data = '{"data": [{"paragraphs": [{"context": "Anna sang.", "qas": [{"id": "1", "question": "Who?"}]}]}]}'
        >>> _ = Path("a.json").write_text(data)
        >>> [record.texts for record in read_squad_records("a.json")]
        [('Who?', 'Anna sang.')]
    """
    problems = Counter() if problems is None else problems
    if str(file) == STANDARD_INPUT:
        source = "standard input"
        blocks = stream_blocks(sys.stdin.buffer, source, problems=problems)
    else:
        (path,) = find_files(file)
        source = str(path)
        blocks = read_blocks(path, problems=problems)
    records = []
    for asked in asked_questions(blocks, source):
        texts = asked.question, asked.context
        problems["empty"] += any(not text or text.isspace() for text in texts)
        fields = {**asked.record, "id": asked.name, "context": asked.context}
        records.append(TextRecord(texts, fields, asked.place))
    return records
