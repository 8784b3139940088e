"""Words with tags, from CoNLL column files: what a tagger is trained on.

A line is a word and its columns, of which one is the tag, with tabs between them (with white space, where a line has no
tab). A line of white space (or of byte order marks, as files have that were joined) ends a sentence, and so does the
end of the file; lines that begin with ``-DOCSTART-`` are passed over.

Tags are BIO (IOB2): ``O`` for a word of no entity, ``B-TYPE`` for the first word of one and ``I-TYPE`` for each further
one. ``I-TYPE`` is valid after ``B-TYPE`` and ``I-TYPE`` of the same type alone. What is not valid is an error with its
line or, if that is asked for, read as CoNLL's scorer reads it: such an ``I-TYPE`` begins an entity. That is counted,
and it reads files in the older IOB1 too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from kpt.errors import InputError
from kpt.text.blocks import read_blocks
from kpt.text.records import lines_of
from kpt.text.sources import Files, SourceFile, find_files

__all__ = ["OUTSIDE", "TaggedWords", "bio_tag_names", "read_conll", "valid_bio"]

#: The tag of a word that belongs to no entity.
OUTSIDE = "O"


@dataclass(frozen=True)
class TaggedWords:
    """Sentences of words with a tag each.

    Attributes:
        texts: the words of each sentence.
        labels: their tags.
        places: for each sentence the file and its first line.
        problems: counts of what was settled: ``repaired``, tags that were made valid, and those of
            `kpt.text.blocks`.
    """

    texts: list[list[str]]
    labels: list[list[str]]
    places: list[str]
    problems: Counter[str] = field(default_factory=Counter)

    def __len__(self) -> int:
        """Return the number of sentences."""
        return len(self.texts)

    def place(self, sentence: int, word: int) -> str:
        """Return the file and the line of a word."""
        file, _, line = self.places[sentence].rpartition(" ")
        return f"{file} {int(line) + word}"


def read_conll(files: Files, *, column: int = -1, repair: bool = False) -> TaggedWords:
    r"""Read all sentences of files in columns.

    Args:
        files: a path, a glob pattern or a folder, or several of them.
        column: number of the tag's column, the word's being 0; -1 is the last.
        repair: whether tags that are not valid BIO are made so and counted, see above.

    Raises:
        InputError: a file is missing or has no word, a line lacks the column, or a tag is not valid. The message has
            the file and the line.

    Example:
        >>> from pathlib import Path
        >>> _ = Path("a.conll").write_text("Anna\tB-person\nsang\tO\n\nHello\tO\n")
        >>> read_conll("a.conll").texts
        [['Anna', 'sang'], ['Hello']]
    """
    problems: Counter[str] = Counter()
    data = TaggedWords([], [], [], problems)
    for path in find_files(files):
        before = len(data)
        for begin, lines in _sentences(path, problems):
            words: list[str] = []
            tags: list[str] = []
            for number, line in enumerate(lines, begin):
                where = f"{path}, line {number}"
                cells = line.split("\t") if "\t" in line else line.split()
                if len(cells) < 2 or not -len(cells) < column < len(cells) or column == 0:
                    raise InputError(f"{where}: {len(cells)} columns; give a word and a tag, or name the tag's column")
                word, tag = cells[0].strip(), cells[column].strip()
                if not word:
                    raise InputError(f"{where}: there is no word before the tag {tag!r}; mend the line")
                words.append(word)
                tags.append(_checked(tag, tags[-1] if tags else OUTSIDE, where, repair, problems))
            data.texts.append(words)
            data.labels.append(tags)
            data.places.append(f"{path}, line {begin}")
        if len(data) == before:
            raise InputError(f"{path} has no word; give a file with a word and its tag a line")
    return data


def valid_bio(tag: str, previous: str = OUTSIDE) -> bool:
    """Return whether a tag is valid BIO after another one.

    Example:
        >>> valid_bio("I-person", "B-person"), valid_bio("I-person"), valid_bio("person")
        (True, False, False)
    """
    if tag == OUTSIDE:
        return True
    if tag[:2] not in ("B-", "I-") or len(tag) < 3:
        return False
    return tag[0] == "B" or (previous[:2] in ("B-", "I-") and previous[2:] == tag[2:])


def bio_tag_names(labels: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Return all tags that a tagger needs for the types of entities that occur: `O`, and both of each type.

    Raises:
        InputError: there is no entity.

    Example:
        >>> bio_tag_names([["O", "B-person"], ["B-group"]])
        ('O', 'B-group', 'I-group', 'B-person', 'I-person')
    """
    types = sorted({tag[2:] for tags in labels for tag in tags if tag != OUTSIDE})
    if not types:
        raise InputError(f"there is no entity in {len(labels):,} sentences; a tagger needs some to learn from")
    return (OUTSIDE, *(f"{side}-{name}" for name in types for side in "BI"))


def _checked(tag: str, previous: str, where: str, repair: bool, problems: Counter[str]) -> str:
    if valid_bio(tag, previous):
        return tag
    if not valid_bio(f"B{tag[1:]}"):
        raise InputError(f"{where}: the tag {tag!r} is not O, B-TYPE or I-TYPE; mend it or name the tag's column")
    if not repair:
        raise InputError(
            f"{where}: the tag {tag!r} after {previous!r} continues no entity; begin one with 'B{tag[1:]}', or have "
            "such tags repaired"
        )
    problems["repaired"] += 1
    return f"B{tag[1:]}"


def _sentences(path: SourceFile, problems: Counter[str]) -> Iterator[tuple[int, list[str]]]:
    """The number of the first line of each sentence, and its lines."""
    lines: list[str] = []
    number = 0
    for number, line in enumerate(lines_of(read_blocks(path, problems=problems), str(path), 1), 1):
        if not line.strip("\ufeff \t") or line.isspace() or line.startswith("-DOCSTART-"):
            if lines:
                yield number - len(lines), lines
            lines = []
        else:
            lines.append(line)
    if lines:
        yield number + 1 - len(lines), lines
