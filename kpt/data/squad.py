"""Questions on texts, with the places of their answers, from SQuAD's json files (1.1 and 2.0)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kpt.data.text_records import TextRecord
from kpt.errors import InputError
from kpt.text.blocks import read_blocks
from kpt.text.sources import Files, SourceFile, find_files

__all__ = ["Questions", "read_squad", "squad_records"]


@dataclass(frozen=True)
class Questions:
    """Questions, the texts that answer them, and where.

    Attributes:
        texts: the questions.
        contexts: the text of each.
        answers: the true answers of each question as its first and the character after its last; none if the text has
            no answer.
        ids: the questions' names in the file.
        places: for each question the file and its id.
    """

    texts: list[str]
    contexts: list[str]
    answers: list[list[tuple[int, int]]]
    ids: list[str]
    places: list[str]

    def __len__(self) -> int:
        """Return the number of questions."""
        return len(self.texts)

    @property
    def golds(self) -> list[list[str]]:
        """The text of each true answer."""
        pairs = zip(self.contexts, self.answers, strict=True)
        return [[context[begin:end] for begin, end in some] for context, some in pairs]


def read_squad(files: Files, *, answers: bool = True) -> Questions:
    r"""Read all questions of files in SQuAD's json, gzip of it too.

    Offsets are characters (code points). A question without answers, or one that `is_impossible`, has none.

    Args:
        files: a path, a URL, a glob pattern or a folder, or several of them.
        answers: whether to read the answers, which a file of questions that are to be answered need not have.

    Raises:
        InputError: a file is missing or no such json, a key is missing, a context or a question is empty, an id is
            there twice, or an answer is not at its offset. The message has the file and the question's id.

    Example:
        >>> from pathlib import Path
        >>> answer = {"text": "Anna", "answer_start": 0}
        >>> asked = {"id": "1", "question": "Who sang?", "answers": [answer]}
        >>> data = {"data": [{"paragraphs": [{"context": "Anna sang.", "qas": [asked]}]}]}
        >>> _ = Path("a.json").write_text(json.dumps(data))
        >>> read_squad("a.json").answers
        [[(0, 4)]]

    Source: Rajpurkar et al. 2016; Rajpurkar et al. 2018.
    """
    data = Questions([], [], [], [], [])
    seen: dict[str, str] = {}
    for path in find_files(files, (".json",)):
        before = len(data)
        for number, article in enumerate(_list(_json(path), "data", f"{path}")):
            for row, paragraph in enumerate(_list(article, "paragraphs", f"{path}, article {number}")):
                where = f"{path}, article {number}, paragraph {row}"
                context = _text(paragraph, "context", where)
                for asked in _list(paragraph, "qas", where):
                    _add(data, asked, context, str(path), where, seen, answers)
        if len(data) == before:
            raise InputError(f"{path} has no question; give a file with questions in SQuAD's json")
    return data


def squad_records(file: str | Path) -> Iterator[TextRecord]:
    """Yield the questions of a file with their texts, as `kpt.data.text_records.read_text_records` does.

    Args:
        file: a path, in SQuAD's json; its answers are not read.

    Raises:
        InputError: as `read_squad`.
    """
    data = read_squad(file, answers=False)
    for number, (question, context) in enumerate(zip(data.texts, data.contexts, strict=True)):
        record = {"id": data.ids[number], "question": question, "context": context}
        yield TextRecord((question, context), record, data.places[number])


def _add(data: Questions, asked: Any, context: str, path: str, where: str, seen: dict[str, str], answers: bool) -> None:
    name = _value(asked, "id", where)
    if not isinstance(name, str | int) or isinstance(name, bool):
        raise InputError(f"{where}: the id {name!r} is no string; mend it")
    place = f"{path}, question {name}"
    if str(name) in seen:
        raise InputError(f"{place}: the id is there twice (before in {seen[str(name)]}); give each question its own")
    seen[str(name)] = path
    if not context or context.isspace():
        raise InputError(f"{place}: the context is empty; give it a text or remove the question")
    question = _text(asked, "question", place)
    if not question or question.isspace():
        raise InputError(f"{place}: the question is empty; give it a text or remove it")
    spans = []
    for answer in [] if not answers or asked.get("is_impossible") is True else _list(asked, "answers", place):
        text, begin = _text(answer, "text", place), _value(answer, "answer_start", place)
        if not text or text.isspace():
            raise InputError(f"{place}: an answer is empty; leave it out, which is to say that there is none")
        if not isinstance(begin, int) or isinstance(begin, bool) or begin < 0:
            raise InputError(f"{place}: answer_start is {begin!r}, no number of a character; mend it")
        if (there := context[begin : begin + len(text)]) != text:
            raise InputError(
                f"{place}: the answer {text[:40]!r} is not at character {begin} of the context, which has "
                f"{there[:40]!r} there; mend answer_start (characters, not bytes)"
            )
        spans.append((begin, begin + len(text)))
    data.texts.append(question)
    data.contexts.append(context)
    data.answers.append(spans)
    data.ids.append(str(name))
    data.places.append(place)


def _json(path: SourceFile) -> Any:
    try:
        return json.loads("".join(read_blocks(path, problems=Counter())))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is no valid json ({error}); give a file in SQuAD's json") from error


def _value(record: Any, key: str, where: str) -> Any:
    if not isinstance(record, dict) or key not in record:
        raise InputError(f"{where}: no key {key!r}; give it as SQuAD's json has it")
    return record[key]


def _list(record: Any, key: str, where: str) -> list[Any]:
    value = _value(record, key, where)
    if not isinstance(value, list):
        raise InputError(f"{where}: {key!r} is {type(value).__name__}, not a list; mend it")
    return value


def _text(record: Any, key: str, where: str) -> str:
    value = _value(record, key, where)
    if not isinstance(value, str):
        raise InputError(f"{where}: {key!r} is {type(value).__name__}, not a string; mend it")
    return value
