"""DNA, RNA and proteins: sequences of FASTA files as k-mers."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kpt.errors import InputError
from kpt.text.document import Document
from kpt.text.sources import Files, SourceFile
from kpt.text.symbols import SymbolCorpus

__all__ = ["FastaCorpus", "kmers"]

#: Longer sequences are cut, so that a chromosome need not be in memory.
LONGEST = 1 << 20
#: Beside letters there are gaps, and the end of a translation.
_WRONG = re.compile("[^A-Z*-]")


class FastaCorpus(SymbolCorpus):
    r"""Reads each record of FASTA files as a document of k-mers, words of k residues.

    A record is a line `>NAME DESCRIPTION` and the lines of its sequence. Letters become upper case; white space in a
    sequence, empty lines and lines that begin with `;` count as nothing. No k-mer reaches over `-`, `*` or a letter
    outside the alphabet: each stretch between these is a line of the document. Counted in `problems`:

    =============  =============================================================================================
    ``outside``    letters that are not in the alphabet
    ``short``      records without a stretch of k residues, which are passed over
    ``long``       cuts, at a line's end, of sequences of more than 1,048,576 residues; k-mers over them are lost
    =============  =============================================================================================

    Args:
        files: see `SymbolCorpus`; a folder is not searched for FASTA files, so name them or give a pattern.
        k: residues of a k-mer.
        step: from the start of a k-mer to that of the next; k: they do not overlap.
        alphabet: the letters that count, such as `"ACGT"`; None: all from A to Z.

    Raises:
        InputError: a number is below 1, or the alphabet has something else than letters from A to Z; while reading, a
            sequence comes before the first `>`, a record has no name or something else than letters, `-` and `*` in
            its sequence. The message has the line.

    Example:
        >>> from pathlib import Path
        >>> _ = Path("genes.fasta").write_text(">one\nacgta\ncc\n>two\nACGNNTTAA\n")
        >>> [(document.id, document.text) for document in FastaCorpus("genes.fasta", k=3, alphabet="ACGT")]
        [('one', 'ACG CGT GTA TAC ACC'), ('two', 'ACG\nTTA TAA')]

    Source: Asgari and Mofrad 2015, "Continuous Distributed Representation of Biological Sequences" (ProtVec).
    """

    def __init__(self, files: Files, *, k: int = 6, step: int = 1, alphabet: str | None = None) -> None:
        for name, value in (("k", k), ("step", step)):
            if value < 1:
                raise InputError(f"{name} is {value}; give 1 or more")
        if alphabet is not None and not re.fullmatch("[A-Za-z]+", alphabet):
            raise InputError(f"the alphabet is {alphabet!r}; give letters from A to Z")
        super().__init__(files)
        self.k, self.step = k, step
        self.alphabet = None if alphabet is None else "".join(sorted(set(alphabet.upper())))
        self._outside = re.compile(f"[^{self.alphabet}-]") if self.alphabet else None

    def _read(self, path: SourceFile, lines: Iterator[str]) -> Iterator[Document]:
        name: str | None = None
        begin, parts, size, pieces = 0, list[str](), 0, 0
        for number, line in enumerate(lines, 1):
            where = f"{path}, line {number}"
            if line.startswith(">"):
                yield from self._finish(path, name, begin, parts, pieces)
                if not line[1:].strip():
                    raise InputError(f"{where}: the record has no name; write one behind the >")
                name, begin, parts, size, pieces = line[1:].split()[0], number, [], 0, 0
            elif residues := "" if line.startswith(";") else "".join(line.split()).upper():
                if name is None:
                    raise InputError(f"{where}: a sequence before the first record; begin with a line '>NAME'")
                if wrong := _WRONG.search(residues):
                    raise InputError(f"{where}: {wrong[0]!r} is no residue; write letters, - and * alone")
                if size and size + len(residues) > LONGEST:
                    self.problems["long"] += 1
                    yield from self._finish(path, name, begin, parts, pieces)
                    parts, size, pieces = [], 0, pieces + 1
                parts.append(residues)
                size += len(residues)
        yield from self._finish(path, name, begin, parts, pieces)

    def _finish(
        self, path: SourceFile, name: str | None, begin: int, parts: list[str], pieces: int
    ) -> Iterator[Document]:
        """Yield what was gathered of a record, of which so many pieces came before."""
        sequence = "".join(parts).replace("*", "-")
        if self._outside is not None:
            sequence, count = self._outside.subn("-", sequence)
            if count:
                self.problems["outside"] += count
        stretches = (stretch for stretch in sequence.split("-") if len(stretch) >= self.k)
        if text := "\n".join(" ".join(kmers(stretch, self.k, self.step)) for stretch in stretches):
            yield Document(text, None, name, str(path), begin)
        elif name is not None and not pieces:
            self.problems["short"] += 1


def kmers(sequence: str, k: int, step: int = 1) -> list[str]:
    """Return the words of k residues that begin at every `step`-th residue.

    Example:
        >>> kmers("ACGTAC", 3), kmers("ACGTAC", 3, step=3)
        (['ACG', 'CGT', 'GTA', 'TAC'], ['ACG', 'TAC'])
    """
    return [sequence[start : start + k] for start in range(0, len(sequence) - k + 1, step)]
