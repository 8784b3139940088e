"""A corpus that is always at hand: the docstrings of Python and of the packages that kpt installs.

About two million words of technical English. The sources are read with `ast` and never imported.
"""

from __future__ import annotations

import ast
import gc
import hashlib
import re
import sysconfig
from collections import Counter
from collections.abc import Iterator, Sequence
from importlib import metadata
from inspect import cleandoc
from pathlib import Path, PurePath
from typing import Self, cast

from kpt.errors import InputError
from kpt.text.clean import replace_surrogates
from kpt.text.document import Document

#: Docstrings of fewer words are passed over: they say little more than the name does.
MINIMUM_WORDS = 5
STANDARD_LIBRARY = "python"
#: What kpt requires, for a source tree that was not installed.
_REQUIRED = (
    *("keras", "keras-nlp", "tensorflow", "tensorflow-text", "numpy", "tokenizers", "sentencepiece", "protobuf"),
    *("sentencex", "rich", "jinja2", "matplotlib", "safetensors", "ml-dtypes", "tensorboardx"),
    *("tensorflow-serving-api", "scipy", "google-crc32c"),
)
_TESTS = frozenset({"test", "tests", "testing", "idle_test"})
_OTHERS_CODE = frozenset(
    {"_vendor", "_vendored", "vendor", "vendored", "third_party", "site-packages", "dist-packages"}
)
_TEST_FILE = re.compile(r"test_.*|.*_tests?|conftest")
_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)([^;]*)(?:;(.*))?", re.S)


class DocumentationCorpus:
    """The docstrings of Python packages, with the interface of `Corpus`.

    Each docstring is a document: dedented as `inspect.cleandoc` does, labelled with its package, and named by its
    qualified name. The order is that of the packages' names (the standard library first), then of the files and of
    their lines, so that the same installed versions give the same corpus. Tests and vendored copies are left out.

    The sources are parsed once, on the first use (some 10 seconds on one core), and the documents are then kept in
    memory (some 20 MB). Counted in `problems`:

    ================  =======================================================================
    ``unparsable``    files that this Python cannot parse or decode
    ``short``         docstrings of fewer than `MINIMUM_WORDS` words, passed over
    ``duplicate``     docstrings that an earlier one equals, passed over
    ================  =======================================================================

    Args:
        packages: Names of distributions as pip knows them, and ``"python"`` for the standard library. None takes
            the standard library and everything that kpt requires, directly or through another package; of optional
            extras nothing.

    Attributes:
        packages: The names of the packages that are read.
        problems: The counts.
        size_bytes: The size of the documents in UTF-8; known after the first use, None before.
        bytes_read: How much of it the latest iteration has yielded.

    Raises:
        InputError: At construction where a named package is not installed; at the first use where there is no
            docstring in all of them.
    """

    def __init__(self, packages: Sequence[str] | None = None) -> None:
        if isinstance(packages, str):
            raise InputError(f"packages is one string; give a list: [{packages!r}]")
        self.packages: tuple[str, ...] = tuple(packages) if packages is not None else default_packages()
        for name in self.packages:
            if name != STANDARD_LIBRARY:
                _distribution(name)
        self.problems: Counter[str] = Counter()
        self.bytes_read = 0
        self._documents: tuple[Document, ...] | None = None

    @property
    def size_bytes(self) -> int | None:
        """The size of the documents in bytes, None before they are read."""
        return None if self._documents is None else sum(len(one.text.encode()) for one in self._documents)

    def __iter__(self) -> Iterator[Document]:
        """Yield the documents in their order."""
        self.bytes_read = 0
        for document in self._load():
            self.bytes_read += len(document.text.encode())
            yield document

    def __len__(self) -> int:
        """Count the documents."""
        return len(self._load())

    def texts(self) -> Iterator[str]:
        """Yield the documents' texts alone."""
        return (document.text for document in self)

    def shard(self, index: int, count: int) -> Self:
        """Return one of `count` parts, which together hold each document once, in order.

        Args:
            index: Which part, from 0 on.
            count: How many parts there are.

        Raises:
            InputError: There is no such part.
        """
        if not 0 <= index < count:
            raise InputError(f"shard {index} of {count} does not exist; count from 0 to one less than their number")
        documents = self._load()
        part = type(self)(())
        part.packages = self.packages
        part._documents = documents[len(documents) * index // count : len(documents) * (index + 1) // count]
        return part

    def _load(self) -> tuple[Document, ...]:
        if self._documents is None:
            documents = tuple(_read_packages(self.packages, self.problems))
            if not documents:
                raise InputError(f"no docstring was found in {', '.join(self.packages)}; name other packages")
            self._documents = documents
        return self._documents


def documentation(packages: Sequence[str] | None = None) -> DocumentationCorpus:
    """Return the corpus of docstrings that is always at hand; see `DocumentationCorpus`.

    Args:
        packages: Which packages' docstrings, None for those of Python and of all that kpt requires.

    Example:
        >>> corpus = documentation(["numpy"])
        >>> sorted({document.label for document in corpus})
        ['numpy']
    """
    return DocumentationCorpus(packages)


def default_packages() -> tuple[str, ...]:
    """Name the standard library and the installed packages that kpt requires, directly or through others."""
    found: set[str] = set()
    try:
        waiting = _required_by(metadata.distribution("kpt"))
    except metadata.PackageNotFoundError:
        waiting = list(_REQUIRED)
    while waiting:
        name = waiting.pop()
        if name not in found:
            try:
                waiting += _required_by(metadata.distribution(name))
            except metadata.PackageNotFoundError:
                continue  # a requirement of another platform or Python version
            found.add(name)
    return (STANDARD_LIBRARY, *sorted(found))


def read_docstrings(source: bytes, module: str) -> Iterator[tuple[str, int, str]]:
    r"""Yield the docstrings of one source file.

    Args:
        source: The file's bytes.
        module: The module's full name.

    Yields:
        The qualified name, the line of the definition (1 for the module), and the docstring as it was written.

    Raises:
        SyntaxError: This Python cannot parse the source.

    Example:
        >>> list(read_docstrings(b'class A:\n    "What A is."\n    def b(self): "What b does."\n', "m"))
        [('m.A', 1, 'What A is.'), ('m.A.b', 3, 'What b does.')]
    """
    collecting = gc.isenabled()
    gc.disable()  # a syntax tree holds no cycles, and looking for them takes a third of the time
    try:
        yield from list(_walk(ast.parse(source), module, 1))
    finally:
        if collecting:
            gc.enable()


def _walk(node: ast.AST, name: str, line: int) -> Iterator[tuple[str, int, str]]:
    body = cast(list[ast.AST], getattr(node, "body", []))
    match body:
        case [ast.Expr(value=ast.Constant(value=str(text))), *_]:
            yield name, line, text
    yield from _walk_statements(body, name)


def _walk_statements(statements: Sequence[ast.AST], name: str) -> Iterator[tuple[str, int, str]]:
    for node in statements:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield from _walk(node, f"{name}.{node.name}", node.lineno)
        elif isinstance(node, ast.stmt | ast.excepthandler):
            for field in ("body", "handlers", "orelse", "finalbody"):
                inner = getattr(node, field, None)
                if isinstance(inner, list):
                    yield from _walk_statements(inner, name)


def _read_packages(packages: Sequence[str], problems: Counter[str]) -> Iterator[Document]:
    seen: set[bytes] = set()
    for package in packages:
        for path, module in _find_files(package):
            label = STANDARD_LIBRARY if package == STANDARD_LIBRARY else module.partition(".")[0]
            try:
                source = path.read_bytes()
                found = list(read_docstrings(source, module))
            except (OSError, SyntaxError, ValueError, RecursionError):
                problems["unparsable"] += 1
                continue
            for name, line, docstring in found:
                text = replace_surrogates(cleandoc(docstring).replace("\0", ""))
                if len(text.split()) < MINIMUM_WORDS:
                    problems["short"] += 1
                    continue
                digest = hashlib.blake2b(text.encode(), digest_size=16).digest()
                if digest in seen:
                    problems["duplicate"] += 1
                    continue
                seen.add(digest)
                yield Document(text, label, name, str(path), line)


def _find_files(package: str) -> list[tuple[Path, str]]:
    """List the Python files of a package, tests and vendored copies aside, each with its module's name."""
    if package == STANDARD_LIBRARY:
        root = Path(sysconfig.get_path("stdlib"))
        pairs: list[tuple[Path, PurePath]] = [(path, path.relative_to(root)) for path in root.rglob("*.py")]
    else:
        entries = _distribution(package).files or []
        pairs = [(Path(str(entry.locate())), PurePath(entry)) for entry in entries if entry.suffix == ".py"]
    kept = [(path, _module(name)) for path, name in pairs if _is_wanted(name)]
    return sorted(kept, key=lambda pair: pair[1])


def _distribution(package: str) -> metadata.Distribution:
    try:
        return metadata.distribution(package)
    except (metadata.PackageNotFoundError, ValueError):
        raise InputError(f"package {package!r} is not installed; install it or leave it out") from None


def _is_wanted(name: PurePath) -> bool:
    folders = name.parts[:-1]
    return not ((_TESTS | _OTHERS_CODE | {".."}) & set(folders) or _TEST_FILE.fullmatch(name.stem))


def _module(name: PurePath) -> str:
    parts = name.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _required_by(distribution: metadata.Distribution) -> list[str]:
    names = []
    for requirement in distribution.requires or []:
        match = _REQUIREMENT.match(requirement)
        if match and "extra" not in (match[3] or ""):
            names.append(re.sub(r"[-_.]+", "-", match[1]).lower())
    return names
