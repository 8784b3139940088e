"""Which files a corpus consists of, and what kind each of them is."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from kpt.errors import InputError
from kpt.urls import RemoteFile, find_remote, is_url

Kind = Literal["text", "jsonl", "csv", "tsv"]
Files = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]
SourceFile = Path | RemoteFile

_KINDS: dict[str, Kind] = {
    ".txt": "text",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
}
#: What a folder is searched for; each also with .gz.
FOLDER_ENDINGS = tuple(_KINDS)


def find_files(files: Files, endings: tuple[str, ...] = FOLDER_ENDINGS) -> tuple[SourceFile, ...]:
    """Resolve paths, URLs, glob patterns and folders to files, each once, in a reproducible order.

    The order is that of the arguments; the files of one pattern or folder are sorted by path. A folder is searched with
    its sub-folders for ``.txt``, ``.jsonl``, ``.ndjson``, ``.json``, ``.csv`` and ``.tsv`` files and gzip of these
    (``.txt.gz``); names that begin with a dot are passed over. A path that exists is taken as it is, whatever
    characters it holds. Of several names of one file (relative, absolute, by a link) the first counts.

    Args:
        files: A path, a pattern (``*``, ``?``, ``[...]``, ``**``) or a folder, or several of them; also URLs of these
            that ``fsspec`` knows, such as ``gs://bucket/*.txt`` (`kpt.urls`).
        endings: What a folder is searched for; each also with ``.gz``.

    Returns:
        The files, at least one.

    Raises:
        InputError: Nothing was given, or one of the arguments leads to no file.

    Example:
        >>> _ = Path("b.txt").write_text("two"), Path("a.txt").write_text("one")
        >>> [path.name for path in find_files("*.txt")]
        ['a.txt', 'b.txt']
    """
    names = [files] if isinstance(files, str | os.PathLike) else list(files)
    if not names:
        raise InputError("no files were given; name at least one file, folder or pattern")
    found: dict[Path | str, SourceFile] = {}
    for each in names:
        name = os.fspath(each)
        if is_url(name):
            found |= {str(file): file for file in find_remote(name, endings) if str(file) not in found}
            continue
        for path in _resolve(name, endings):
            found.setdefault(path.resolve(), path)
    return tuple(found.values())


def file_kind(path: SourceFile) -> Kind:
    """Tell a file's kind from its name; what has no known ending is plain text.

    Example:
        >>> file_kind(Path("speeches.jsonl.gz")), file_kind(Path("README"))
        ('jsonl', 'text')
    """
    name = path.name.lower().removesuffix(".gz")
    return _KINDS.get(Path(name).suffix, "text")


def _resolve(name: str, endings: tuple[str, ...]) -> list[Path]:
    path = Path(name)
    if path.is_dir():
        found = [entry for entry in sorted(path.rglob("*")) if _is_readable_by_name(entry, path, endings)]
        if not found:
            raise InputError(f"folder {name} has no {', '.join(endings)} file (or gzip of these); name the files")
        return found
    if path.is_file():
        return [path]
    if path.exists():
        raise InputError(f"{name} is neither a file nor a folder; write its content to a file first")
    if not glob.has_magic(name):
        raise InputError(f"file {name} does not exist; check the path")
    found = [Path(match) for match in sorted(glob.glob(name, recursive=True)) if os.path.isfile(match)]
    if not found:
        raise InputError(f"pattern {name} matches no file; check the folder and the ending")
    return found


def _is_readable_by_name(entry: Path, folder: Path, endings: tuple[str, ...]) -> bool:
    hidden = any(part.startswith(".") for part in entry.relative_to(folder).parts)
    return not hidden and entry.name.lower().removesuffix(".gz").endswith(endings) and entry.is_file()
