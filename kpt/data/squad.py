"""Questions on texts, with the places of their answers, from SQuAD's json files (1.1 and 2.0)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from kpt.errors import InputError
from kpt.text.blocks import read_blocks
from kpt.text.sources import Files, find_files

__all__ = ["Asked", "Questions", "asked_questions", "read_squad"]


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


class Asked(NamedTuple):
    """A question as a file has it.

    Attributes:
        name: its id.
        question: the question.
        context: the text that it is asked of.
        record: all keys of the question.
        place: the file and the id.
    """

    name: str
    question: str
    context: str
    record: dict[str, Any]
    place: str


def read_squad(files: Files) -> Questions:
    r"""Read all questions of files in SQuAD's json, gzip of it too.

    Offsets are characters (code points). A question without answers, or one that `is_impossible`, has none.

    Args:
        files: a path, a URL, a glob pattern or a folder, or several of them.

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
        for asked in asked_questions(read_blocks(path, problems=Counter()), str(path), seen):
            _add(data, asked)
    return data


def asked_questions(blocks: Iterable[str], source: str, seen: dict[str, str] | None = None) -> Iterator[Asked]:
    """Yield the questions of a file in SQuAD's json, answered or not, in their order; any text of them may be empty.

    Args:
        blocks: the text of the file, in parts.
        source: what an error calls it.
        seen: the ids of files before with their sources; those of this one are added.

    Raises:
        InputError: it is no such json, a key is missing, an id is there twice, or there is no question.

    Example:
        >>> asked = '{"id": "1", "question": "Who sang?"}'
        >>> blocks = ['{"data": [{"paragraphs": [{"context": "Anna sang.", "qas": [', asked, "]}]}]}"]
        >>> [one.question for one in asked_questions(blocks, "a.json")]
        ['Who sang?']
    """
    seen = {} if seen is None else seen
    count = len(seen)
    for number, article in enumerate(_list(_json(blocks, source), "data", source)):
        for row, paragraph in enumerate(_list(article, "paragraphs", f"{source}, article {number}")):
            where = f"{source}, article {number}, paragraph {row}"
            context = _text(paragraph, "context", where)
            for asked in _list(paragraph, "qas", where):
                name = _value(asked, "id", where)
                if not isinstance(name, str | int) or isinstance(name, bool):
                    raise InputError(f"{where}: the id {name!r} is no string; mend it")
                name, place = str(name), f"{source}, question {name}"
                if name in seen:
                    raise InputError(
                        f"{place}: the id is there twice (before in {seen[name]}); give each question its own"
                    )
                seen[name] = source
                yield Asked(name, _text(asked, "question", place), context, asked, place)
    if len(seen) == count:
        raise InputError(f"{source} has no question; give a file with questions in SQuAD's json")


def _add(data: Questions, one: Asked) -> None:
    context, asked, place = one.context, one.record, one.place
    if not context or context.isspace():
        raise InputError(f"{place}: the context is empty; give it a text or remove the question")
    if not one.question or one.question.isspace():
        raise InputError(f"{place}: the question is empty; give it a text or remove it")
    spans = []
    for answer in [] if asked.get("is_impossible") is True else _list(asked, "answers", place):
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
    data.texts.append(one.question)
    data.contexts.append(context)
    data.answers.append(spans)
    data.ids.append(one.name)
    data.places.append(place)


def _json(blocks: Iterable[str], source: str) -> Any:
    try:
        return json.loads("".join(blocks))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{source} is no valid json ({error}); give a file in SQuAD's json") from error


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
