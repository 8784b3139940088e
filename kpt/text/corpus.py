"""A corpus: documents streamed from files, again and again, whole or in parts."""

from __future__ import annotations

import copy
import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal, Self, get_args

from kpt.errors import InputError
from kpt.text.blocks import is_compressed, read_beginning, read_blocks
from kpt.text.boundaries import Boundaries, align, cut, detect_boundaries, split_documents
from kpt.text.document import Document
from kpt.text.records import Fields, read_jsonl, read_table
from kpt.text.sources import Files, SourceFile, file_kind, find_files
from kpt.urls import size_of

__all__ = ["Corpus", "Document"]

#: Documents of more characters are cut unless a corpus is told otherwise.
MAXIMUM_CHARACTERS = 1 << 20


class Corpus:
    r"""A re-iterable stream of documents from text, jsonl, csv and tsv files, and gzip of these.

    Nothing is kept in memory but about a MiB of text and the document at hand, however large the files are. What is
    odd in them is settled by rules and counted in `problems` (`kpt.text.blocks`, `kpt.text.boundaries` and
    `kpt.text.records` have the rules):

    =================  =================================================================================
    ``invalid_utf8``   invalid sequences of bytes, each replaced by U+FFFD
    ``nul``            NUL characters, removed
    ``lone_surrogate`` halves of a surrogate pair in JSON, each replaced by U+FFFD
    ``empty``          documents of nothing but white space (before or after cleaning), passed over
    ``empty_file``     files without a document
    ``long_document``  documents of more than `maximum_characters`, cut at white space into several
    =================  =================================================================================

    The text of a document is the file's but for this: white space around it is dropped (with ``documents="file"`` that
    at the beginning and the end of the file), line ends become ``"\n"``, and a byte order mark, NUL characters and
    invalid bytes are settled as above. All other white space is kept. A longer text than `maximum_characters` is cut,
    and the white space at the cut is lost.

    Args:
        files: A path, a URL, a glob pattern or a folder, or several of them (`kpt.text.sources.find_files`).
        documents: How a plain text file is divided: ``"blank-line"``, ``"line"``, ``"file"`` or ``"wikitext"``
            (`kpt.text.boundaries`); ``"auto"`` decides for each file by its first MiB: titles as in WikiText, else
            blank lines, else a document a line. In other files each record is a document.
        text_field: The field of jsonl, csv and tsv records that holds the text.
        label_field: The field that holds the label, where there is one.
        id_field: The field that holds the id, where there is one.
        clean: Functions from text to text, applied to each document in turn (`kpt.text.clean`).
        maximum_characters: The most characters of a document.

    Attributes:
        files: The files, in the order in which they are read.
        problems: The counts of the latest iteration.
        size_bytes: The size of the files on the disk, or this part's share of it.
        bytes_read: How much of that the latest iteration has read.

    Raises:
        InputError: At construction where a file is missing or an argument is wrong; during an iteration where a file
            cannot be read or a record is malformed, and at the end of one over all files that found no document.

    Example:
        >>> _ = Path("a.txt").write_text("It rained.\n\nThe sun came out.\nIt was warm.\n")
        >>> corpus = Corpus("a.txt")
        >>> list(corpus.texts())
        ['It rained.', 'The sun came out.\nIt was warm.']
        >>> [document.position for document in corpus]
        [1, 3]
    """

    def __init__(
        self,
        files: Files,
        *,
        documents: Literal["auto", "blank-line", "line", "file", "wikitext"] = "auto",
        text_field: str = "text",
        label_field: str = "label",
        id_field: str = "id",
        clean: Sequence[Callable[[str], str]] = (),
        maximum_characters: int = MAXIMUM_CHARACTERS,
    ) -> None:
        choices = ("auto", *get_args(Boundaries))
        if documents not in choices:
            raise InputError(f"documents is {documents!r}; choose one of {', '.join(choices)}")
        if maximum_characters < 2:
            raise InputError(f"maximum_characters is {maximum_characters}; give a number of at least 2")
        self.files: tuple[SourceFile, ...] = find_files(files)
        self.documents = documents
        self.fields = Fields(text_field, label_field, id_field)
        self.clean = tuple(clean)
        self.maximum_characters = maximum_characters
        self.problems: Counter[str] = Counter()
        self.bytes_read = 0
        self._sizes = [size_of(path) for path in self.files]
        self._begin, self._end = 0, sum(self._sizes)

    @property
    def size_bytes(self) -> int:
        """The bytes on the disk that an iteration reads."""
        return self._end - self._begin

    def __iter__(self) -> Iterator[Document]:
        """Yield the documents, in the order of the files and of the text."""
        self.problems.clear()
        self.bytes_read = 0
        found = False
        for path, begin, end in self._ranges():
            for document in self._read(path, begin, end):
                found = True
                yield document
        if not found and self._is_whole():
            more = f" and {len(self.files) - 3} more" if len(self.files) > 3 else ""
            names = ", ".join(map(str, self.files[:3])) + more
            raise InputError(f"no document was found in {names}; give files with text in them")

    def texts(self) -> Iterator[str]:
        """Yield the documents' texts alone."""
        return (document.text for document in self)

    def shard(self, index: int, count: int) -> Self:
        """Return one of `count` parts, which together hold each document once, in order.

        The parts are of about equal size in bytes: ``shard(0, n)``, ``shard(1, n)``, ... one after the other give the
        documents of the whole corpus in its order, whatever `n` is, and each part reads nothing but itself. Compressed
        files, files at URLs, csv, tsv and text with ``documents="file"`` cannot be divided: such a file belongs to one
        part as a whole. A part may hold no document. Documents of a part that begins inside a file have no `position`.

        Args:
            index: Which part, from 0 on.
            count: How many parts there are.

        Raises:
            InputError: There is no such part.
        """
        if not 0 <= index < count:
            raise InputError(f"shard {index} of {count} does not exist; count from 0 to one less than their number")
        part = copy.copy(self)
        part.problems, part.bytes_read = Counter(), 0
        part._begin = self._begin + self.size_bytes * index // count
        part._end = self._begin + self.size_bytes * (index + 1) // count
        return part

    def _is_whole(self) -> bool:
        return self._begin == 0 and self._end == sum(self._sizes)

    def _ranges(self) -> Iterator[tuple[SourceFile, int, int | None]]:
        """Yield the files of this part, each with the bytes to read; None is the end of the file."""
        if self._is_whole():
            yield from ((path, 0, None) for path in self.files)
            return
        offset = 0
        for path, size in zip(self.files, self._sizes, strict=True):
            begin, end = self._begin - offset, self._end - offset
            offset += size
            if end > 0 and begin < size and isinstance(path, Path) and self._is_divisible(path):
                boundaries = self._boundaries(path)
                first = align(path, begin, boundaries) if begin > 0 else 0
                last = align(path, end, boundaries) if end < size else None
                if first < (size if last is None else last):
                    yield path, first, last
            elif begin <= 0 < end:
                yield path, 0, None

    def _is_divisible(self, path: Path) -> bool:
        kind = file_kind(path)
        divisible = kind == "jsonl" or (kind == "text" and self.documents != "file")
        return divisible and not is_compressed(path)

    def _boundaries(self, path: SourceFile) -> Boundaries:
        if file_kind(path) != "text":
            return "line"
        return detect_boundaries(read_beginning(path)) if self.documents == "auto" else self.documents

    def _read(self, path: SourceFile, begin: int, end: int | None) -> Iterator[Document]:
        found = False
        for document in self._parse(path, begin, end):
            text = document.text
            for step in self.clean:
                text = step(text)
            if self.clean:
                if not text or text.isspace():
                    self.problems["empty"] += 1
                    continue
                document = dataclasses.replace(document, text=text)
            found = True
            yield document
        if not found and begin == 0 and end is None:
            self.problems["empty_file"] += 1

    def _parse(self, path: SourceFile, begin: int, end: int | None) -> Iterator[Document]:
        kind, source = file_kind(path), str(path)
        blocks = read_blocks(path, begin, end, problems=self.problems, advance=self._advance)
        if kind == "text":
            boundaries = self._boundaries(path)
            for line, text in split_documents(blocks, boundaries, self.maximum_characters, self.problems):
                yield Document(text, None, None, source, None if begin else line)
            return
        if kind == "jsonl":
            records = self._parse_jsonl(path, begin, end, blocks)
        else:
            records = read_table(blocks, source, self.fields, self.problems, "," if kind == "csv" else "\t")
        for document in records:
            if len(document.text) <= self.maximum_characters:
                yield document
                continue
            self.problems["long_document"] += 1
            for piece in cut(document.text, self.maximum_characters):
                if not piece.isspace():
                    yield Document(piece.strip(), document.label, document.id, source, document.position)

    def _parse_jsonl(self, path: SourceFile, begin: int, end: int | None, blocks: Iterator[str]) -> Iterator[Document]:
        try:
            for document in read_jsonl(blocks, str(path), self.fields, self.problems):
                yield dataclasses.replace(document, position=None) if begin else document
        except InputError:
            if begin:
                # Only for a message it is worth counting the lines before this part: the same error, with its line.
                lines = sum(block.count("\n") for block in read_blocks(path, 0, begin, problems=Counter()))
                again = read_blocks(path, begin, end, problems=Counter())
                for _ in read_jsonl(again, str(path), self.fields, Counter(), lines + 1):
                    pass
            raise

    def _advance(self, count: int) -> None:
        self.bytes_read += count
