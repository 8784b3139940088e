"""Tokenizers that kpt has no implementation of, as Hugging Face's `tokenizers` runs their tokenizer.json."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from kpt.errors import InputError
from kpt.files import check_writable_folder
from kpt.text import Ragged, Vocabulary, load_tokenizer
from kpt.text.folder_files import declared_tokens
from kpt.text.tokenizer import Tokenizer, check_id, check_texts

__all__ = ["PublishedTokenizer", "read_tokenizer"]

FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")


def read_tokenizer(folder: str | os.PathLike[str]) -> Tokenizer:
    """Read the tokenizer of a Hugging Face folder: as one of kpt's where it is exactly that, else as it is.

    Raises:
        InputError: There is none, or it is damaged.
    """
    try:
        return load_tokenizer(folder)
    except InputError as refused:
        if not (Path(folder) / "tokenizer.json").is_file():
            raise
        try:
            return PublishedTokenizer(folder)
        except InputError:
            raise refused from None


class PublishedTokenizer:
    """A tokenizer.json of any kind: it encodes and decodes, but has no form for a TensorFlow graph.

    Text is plain text: a special token's text in it is not that token.

    Args:
        folder: Where tokenizer.json is, and tokenizer_config.json, which names the special tokens.

    Raises:
        InputError: The file is damaged.
    """

    #: Most of those that come here keep white space.
    whole_documents = True

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        from tokenizers import Tokenizer as Backend

        self.folder = Path(folder)
        path = self.folder / "tokenizer.json"
        try:
            self._content = path.read_bytes()
            self._backend = Backend.from_buffer(self._content)
        except BaseException as error:  # `tokenizers` raises plain exceptions, and panics, which are no `Exception`
            if isinstance(error, KeyboardInterrupt | SystemExit):
                raise
            raise InputError(f"{path} is not readable ({' '.join(str(error).split())[:200]}); copy it again") from error
        self._backend.encode_special_tokens = True
        self._backend.no_padding()
        self._backend.no_truncation()
        self.vocabulary = self._vocabulary(path)

    def _vocabulary(self, path: Path) -> Vocabulary:
        index = self._backend.get_vocab(with_added_tokens=True)
        size = max(index.values(), default=-1) + 1
        if size > 4 * len(index) + 1000:
            raise InputError(f"{path}: its ids go up to {size - 1} and it has {len(index)} pieces; copy it again")
        # Ids that nothing has, as some published vocabularies leave them, get a name that no text has.
        tokens = [f"<|unused-{i}|>" for i in range(size)]
        taken = [False] * size
        for token, i in index.items():
            tokens[i], taken[i] = token, True
        declared, others = declared_tokens(self.folder)
        names = {"eos_token": "end", "pad_token": "pad", "unk_token": "unk", "cls_token": "cls", "mask_token": "mask"}
        roles: dict[str, int] = {}
        for name, role in {**names, "sep_token": "sep"}.items():
            token = declared.get(name, "")
            apart = {roles[other] for other in roles if other != "end"}
            if token in index and (role == "end" or index[token] not in apart):
                roles[role] = index[token]
        special = {i for i, token in self._backend.get_added_tokens_decoder().items() if token.special}
        special |= {i for i in range(size) if not taken[i]} | set(roles.values())
        special |= {index[token] for token in others if token in index}
        return Vocabulary(tokens=tuple(tokens), roles=roles, special_ids=tuple(sorted(special)))

    def encode(self, texts: Sequence[str]) -> Ragged:
        """Return the ids of each text, without special tokens around them.

        Args:
            texts: Any strings; a lone surrogate counts as U+FFFD.

        Returns:
            values int32 [n] and row_splits int64 [len(texts) + 1].

        Raises:
            InputError: `texts` is one string.
        """
        check_texts(texts)
        clean = [text.encode("utf-16", "surrogatepass").decode("utf-16", "replace") for text in texts]
        rows = [encoding.ids for encoding in self._backend.encode_batch_fast(clean, add_special_tokens=False)]
        ids = np.fromiter((i for row in rows for i in row), np.int32)
        return Ragged(ids, np.cumsum([0, *map(len, rows)], dtype=np.int64))

    def decode(self, ids: Iterable[int], *, skip_special_tokens: bool = False) -> str:
        """Return the text that ids stand for, special tokens as their text or as nothing.

        Raises:
            InputError: An id is not in the vocabulary.
        """
        checked = [check_id(i, self.vocabulary.size) for i in map(int, ids)]
        return str(self._backend.decode(checked, skip_special_tokens=skip_special_tokens))

    @property
    def options(self) -> dict[str, Any]:
        """What beside the pieces decides which ids a text gets: all of the file."""
        return {"sha256": self.fingerprint}

    @cached_property
    def fingerprint(self) -> str:
        """Hex sha256 of tokenizer.json."""
        return hashlib.sha256(self._content).hexdigest()

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Copy the files.

        Raises:
            InputError: The folder cannot be written.
        """
        target = check_writable_folder(folder)
        for name in FILES:
            if (self.folder / name).is_file():
                shutil.copyfile(self.folder / name, target / name)

    def in_graph(self) -> NoReturn:
        """Refuse: it has no form for a TensorFlow graph.

        Raises:
            InputError: always.
        """
        raise InputError(
            f"the tokenizer of {self.folder} has no TensorFlow form; export with --format huggingface instead"
        )
