"""What readers of other sequences than text have in common: documents of symbols, streamed from files."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator

from kpt.errors import InputError
from kpt.text.blocks import read_blocks
from kpt.text.document import Document
from kpt.text.records import lines_of
from kpt.text.sources import Files, SourceFile, find_files
from kpt.urls import size_of

__all__ = ["SymbolCorpus"]


class SymbolCorpus(ABC):
    """A re-iterable stream of documents of symbols with spaces between them, for `WordTokenizer` and `prepare`.

    Give `prepare` the `split` `str.splitlines`: each line of a document is a sequence of its own, and nothing else
    separates. Memory does not grow with the files but for what a reader says.

    Args:
        files: a path, a glob pattern or a folder, or several of them (`kpt.text.sources.find_files`); gzip or not.

    Attributes:
        files: the files, in the order in which they are read.
        problems: counts of what was odd in the latest iteration.
        size_bytes: the size of the files on the disk.
        bytes_read: how much of that the latest iteration has read.

    Raises:
        InputError: a file is missing.
    """

    def __init__(self, files: Files) -> None:
        self.files: tuple[SourceFile, ...] = find_files(files)
        self.problems: Counter[str] = Counter()
        self.size_bytes = sum(size_of(path) for path in self.files)
        self.bytes_read = 0

    def __iter__(self) -> Iterator[Document]:
        """Yield the documents, in the order of the files.

        Raises:
            InputError: a file cannot be read or a line does not fit, which the message names; or there is no document.
        """
        self.problems.clear()
        self.bytes_read = 0
        found = False
        for path in self.files:
            blocks = read_blocks(path, problems=self.problems, advance=self._advance)
            for document in self._read(path, lines_of(blocks, str(path), 1)):
                found = True
                yield document
        if not found:
            raise InputError(f"no sequence was found in {', '.join(map(str, self.files[:3]))}; give files with some")

    @abstractmethod
    def _read(self, path: SourceFile, lines: Iterator[str]) -> Iterator[Document]:
        """Yield the documents of a file, given its lines."""

    def _advance(self, count: int) -> None:
        self.bytes_read += count
