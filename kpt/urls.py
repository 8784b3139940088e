"""Files at URLs, such as `gs://bucket/text.jsonl`: found and read as they come, through fsspec.

Whatever `fsspec` knows can be read: `https`, `gs` (with gcsfs), `s3` (with s3fs), `hf`, `memory` and more, also
chained, as in `simplecache::https://...`. A file is read from its beginning to its end, in pieces, so that a server
need not be able to give a part of one.
"""

from __future__ import annotations

import io
import posixpath
import re
from pathlib import Path
from typing import Any, BinaryIO, cast
from urllib.parse import urlsplit

from kpt.errors import InputError

__all__ = ["RemoteFile", "find_remote", "is_url", "open_stream", "size_of", "unreadable"]

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.:-]+://")
_EXTRA = "pip install 'kpt[remote]'"


class RemoteFile:
    """A file at a URL.

    Attributes:
        name: its name, without folders and query.
        size: its bytes, where the server tells, else None.
    """

    def __init__(self, url: str, filesystem: Any, path: str, size: int | None) -> None:
        self._url, self._filesystem, self._path, self.size = url, filesystem, path, size
        self.name = posixpath.basename(urlsplit(url).path) or url

    def __str__(self) -> str:
        return self._url

    def open(self) -> BinaryIO:
        """Return a stream of its bytes; it can tell where it is and cannot seek.

        Raises:
            OSError: it cannot be opened; reading the stream raises the same.
        """
        # A request for the whole file whose answer is read bit by bit, instead of one request for each piece.
        options = {"block_size": 0} if is_web(self._path) else {}
        try:
            stream = self._filesystem.open(self._path, "rb", **options)
        except Exception as error:
            raise _as_os_error(error) from error
        return cast(BinaryIO, _Stream(stream))


class _Stream(io.RawIOBase):
    """Counts what is read, and turns the errors of a network's library into those of files."""

    def __init__(self, stream: Any) -> None:
        self._stream, self._at = stream, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._stream.read(len(buffer))
        except Exception as error:
            raise _as_os_error(error) from error
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def tell(self) -> int:
        return self._at

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()


def is_url(name: str) -> bool:
    """Return whether a name is a URL and no path.

    Example:
        >>> is_url("gs://bucket/a.txt"), is_url("C:/a.txt"), is_url("data/a.txt")
        (True, False, False)
    """
    return _URL.match(name) is not None


def is_web(name: str) -> bool:
    """Return whether a URL is of http or https."""
    return name.startswith(("http://", "https://"))


def find_remote(name: str, endings: tuple[str, ...]) -> list[RemoteFile]:
    """Return the files that a URL leads to: that one, those that match its pattern, or those of its folder.

    Args:
        name: the URL; `*`, `**` and `[...]` are wildcards, and `?` where it begins no query.
        endings: of the files that a folder is searched for, each also with `.gz`.

    Raises:
        InputError: fsspec, or what it needs for such URLs, is not installed; or there is no such file.
    """
    try:
        import fsspec
    except ImportError as error:
        raise InputError(f"reading {name} needs fsspec; run: {_EXTRA}") from error
    try:
        filesystem, path = fsspec.url_to_fs(name)
        if any(character in path for character in ("*[" if is_web(path) else "*[?")):
            found = filesystem.glob(path, detail=True)
            infos = [found[each] for each in sorted(found)]
            missing = f"pattern {name} matches no file; check the folder and the ending"
        else:
            infos, missing = [filesystem.info(path)], ""
            if infos[0]["type"] == "directory":
                inside = filesystem.find(path, detail=True)
                infos = [inside[each] for each in sorted(inside) if _ends_in(each, endings)]
                missing = f"folder {name} has no {', '.join(endings)} file (or gzip of these); name the files"
    except FileNotFoundError as error:
        problem = "does not exist, or its server cannot be reached" if is_web(name) else "does not exist"
        raise InputError(f"{name} {problem}; check the address") from error
    except ImportError as error:  # fsspec says which package such URLs need
        remedy = f"run: {_EXTRA}" if is_web(name) else "install that package"
        raise InputError(f"{name} cannot be read ({_reason(error)}); {remedy}") from error
    except Exception as error:
        raise InputError(f"{name} cannot be read ({_reason(error)}); check the address and the network") from error
    files = [info for info in infos if info["type"] == "file"]
    if not files:
        raise InputError(missing)
    whole = len(files) == 1 and files[0] is infos[0] and not missing
    return [
        RemoteFile(
            name if whole else filesystem.unstrip_protocol(info["name"]),
            filesystem,
            path if whole else info["name"],
            info.get("size"),
        )
        for info in files
    ]


def open_stream(file: Path | RemoteFile) -> BinaryIO:
    """Return a stream of a file's bytes, here or at a URL.

    Raises:
        OSError: it cannot be opened.
    """
    return file.open() if isinstance(file, RemoteFile) else cast(BinaryIO, file.open("rb", buffering=0))


def size_of(file: Path | RemoteFile) -> int:
    """Return the bytes of a file; 1 where a server does not tell."""
    if isinstance(file, RemoteFile):
        return 1 if file.size is None else file.size
    return file.stat().st_size


def unreadable(file: Path | RemoteFile, error: OSError) -> InputError:
    """Return what to raise for a file that cannot be read."""
    remedy = (
        "check the address and the network" if isinstance(file, RemoteFile) else "check the file and its permissions"
    )
    return InputError(f"{file} cannot be read ({error.strerror or error}); {remedy}")


def _ends_in(name: str, endings: tuple[str, ...]) -> bool:
    hidden = posixpath.basename(name).startswith(".")
    return not hidden and name.lower().removesuffix(".gz").endswith(endings)


def _as_os_error(error: Exception) -> OSError:
    return error if isinstance(error, OSError) else OSError(_reason(error))


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
