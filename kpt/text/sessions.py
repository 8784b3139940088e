"""Sessions of items, such as what a customer looked at one after the other, from tsv and JSON lines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kpt.errors import InputError
from kpt.text.document import Document
from kpt.text.records import parse_object
from kpt.text.sources import Files, SourceFile, file_kind
from kpt.text.symbols import SymbolCorpus

__all__ = ["Sessions"]


class Sessions(SymbolCorpus):
    r"""Reads each session as a document of its items, with spaces between them.

    - **jsonl**: a session a line, an object with a list of items, strings or whole numbers, and maybe the session's id.
    - **tsv**: an event a line, its first line the names of the columns, among them the session's id and the item. The
      lines of a session stand one after the other, in the order of the events: sort the file by session and time. The
      ids of all sessions are in memory.

    Empty lines are passed over, and so are sessions without an item, which are counted in `problems` as ``empty``.

    Args:
        files: see `SymbolCorpus`.
        items_field: of jsonl, the list of items.
        session_field: the session's id; jsonl may be without.
        item_field: of tsv, the item.
        space: what to put for white space in items, such as `"_"`; None refuses such items.

    Raises:
        InputError: a file is neither tsv nor jsonl by its name, or while reading: a line is no JSON object, a field is
            missing or has a value of another type, a line has another number of columns than the first, an item is
            empty or has white space in it, or a session comes again after another one. The message has the line.

    Example:
        >>> from pathlib import Path
        >>> _ = Path("seen.jsonl").write_text('{"session": 7, "items": ["lamp", 42]}\n')
        >>> _ = Path("seen.tsv").write_text("session\titem\nx\tlamp\nx\tbulb\ny\tsofa\n")
        >>> [(document.id, document.text) for document in Sessions(["seen.jsonl", "seen.tsv"])]
        [('7', 'lamp 42'), ('x', 'lamp bulb'), ('y', 'sofa')]

    Source: Barkan and Koenigstein 2016, "Item2Vec: Neural Item Embedding for Collaborative Filtering".
    """

    def __init__(
        self,
        files: Files,
        *,
        items_field: str = "items",
        session_field: str = "session",
        item_field: str = "item",
        space: str | None = None,
    ) -> None:
        super().__init__(files)
        for path in self.files:
            if file_kind(path) not in ("jsonl", "tsv"):
                raise InputError(
                    f"{path} is neither .jsonl nor .tsv by its name (or .gz of these); rename or convert it"
                )
        if space is not None and (not space or space.split() != [space]):
            raise InputError(f"space is {space!r}; give a character that is not white space, such as '_'")
        self.items_field, self.session_field, self.item_field = items_field, session_field, item_field
        self.space = space

    def _read(self, path: SourceFile, lines: Iterator[str]) -> Iterator[Document]:
        numbered = ((number, line) for number, line in enumerate(lines, 1) if line and not line.isspace())
        return (self._read_objects if file_kind(path) == "jsonl" else self._read_events)(path, numbered)

    def _read_objects(self, path: SourceFile, lines: Iterator[tuple[int, str]]) -> Iterator[Document]:
        for number, line in lines:
            where = f"{path}, line {number}"
            record = parse_object(line, where)
            items = record.get(self.items_field)
            if not isinstance(items, list):
                raise InputError(f"{where}: no list {self.items_field!r}; name the field that holds the items")
            words = [self._item(item, where) for item in items]
            session = record.get(self.session_field)
            if not (session is None or _is_name(session)):
                raise InputError(f"{where}: {self.session_field!r} is no string or whole number; mend the record")
            if words:
                yield Document(" ".join(words), None, None if session is None else str(session), str(path), number)
            else:
                self.problems["empty"] += 1

    def _read_events(self, path: SourceFile, lines: Iterator[tuple[int, str]]) -> Iterator[Document]:
        names: list[str] = []
        known: set[str] = set()
        session, begin, words = "", 0, list[str]()
        for number, line in lines:
            where = f"{path}, line {number}"
            fields = line.split("\t")
            if not names:
                names = fields
                for name in (self.session_field, self.item_field):
                    if names.count(name) != 1:
                        raise InputError(
                            f"{where}: {names.count(name)} columns {name!r} "
                            f"(columns: {', '.join(map(repr, names[:8]))}); "
                            "name the columns in the first line, and say which they are"
                        )
                continue
            if len(fields) != len(names):
                raise InputError(
                    f"{where}: {len(fields)} columns where the first line has {len(names)}; mend or remove the line"
                )
            row = dict(zip(names, fields, strict=True))
            name, item = row[self.session_field], self._item(row[self.item_field], where)
            if not words or name != session:
                if words:
                    yield Document(" ".join(words), None, session, str(path), begin)
                if name in known:
                    raise InputError(f"{where}: the session {name!r} comes again after another; sort by session")
                known.add(name)
                session, begin, words = name, number, []
            words.append(item)
        if words:
            yield Document(" ".join(words), None, session, str(path), begin)

    def _item(self, item: Any, where: str) -> str:
        if not _is_name(item):
            raise InputError(f"{where}: the item {item!r:.40} is no string or whole number; mend the record")
        parts = str(item).split()
        if not parts:
            raise InputError(f"{where}: an item is empty; mend or remove it")
        if len(parts) > 1 and self.space is None:
            raise InputError(
                f"{where}: the item {item!r:.40} has white space in it; say what to put for it (space='_')"
            )
        return (self.space or "").join(parts)


def _is_name(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool))
