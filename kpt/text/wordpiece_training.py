"""Learns the pieces of a WordPiece vocabulary from text."""

from __future__ import annotations

import json
import re
import tempfile
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from kpt.errors import InputError
from kpt.text.clean import replace_surrogates
from kpt.text.document import Document, refuse_one_string
from kpt.text.vocabulary import CONTINUATION_PREFIX, SPECIAL_TOKENS

if TYPE_CHECKING:
    import tokenizers

#: The rarest characters, which together make up at most this share of the text, get no piece.
_UNCOVERED = 1e-4
#: A vocabulary that cannot spell this share of the characters is refused.
_LEAST_COVERED = 0.99
# Nothing is learned from longer words, so that every piece fits into the 256 bytes that TensorFlow Text allows it.
# It counts characters after normalisation, where one (a Hangul syllable, an accented letter) may become up to four.
LONGEST_WORD = 63
_LONG_RUN = re.compile(rf"\S{{{LONGEST_WORD // 4 + 1},}}")


def learn_pieces(
    corpus: Iterable[str | Document],
    vocabulary_size: int,
    normalizer: tokenizers.normalizers.Normalizer,
    pre_tokenizer: tokenizers.pre_tokenizers.PreTokenizer,
    *,
    minimum_frequency: int = 2,
    progress: bool = False,
) -> list[str]:
    """Return exactly `vocabulary_size` pieces: special tokens, characters, then merges in the order they were made.

    Each merge joins the two neighbouring pieces that are most frequent together, as in byte-pair encoding; the words
    come from the normalizer and the pre-tokenizer. Every character has two pieces, `c` and `##c`, unless it always
    stands alone. The same corpus gives the same pieces in the same order in any process: the characters have their ids
    before the merging starts, since ids decide between equal counts. The corpus is read twice; what can be read only
    once is kept in a temporary file.

    Raises:
        InputError: the corpus is one string or path, it is empty, or it cannot give exactly that many pieces; the
            message says how many it can.
    """
    refuse_one_string(corpus)
    if vocabulary_size <= len(SPECIAL_TOKENS):
        raise InputError(
            f"vocabulary_size is {vocabulary_size}; give more than the {len(SPECIAL_TOKENS)} special tokens take"
        )
    if minimum_frequency < 1:
        raise InputError(f"minimum_frequency is {minimum_frequency}; give 1 or more")
    from tokenizers import Tokenizer, models, trainers

    with tempfile.TemporaryFile("w+", encoding="utf-8") as spool:
        one_pass = iter(corpus) is corpus
        counts: Counter[str] = Counter()
        for text in _texts(corpus, normalizer, pre_tokenizer):
            counts.update(text)
            if one_pass:
                spool.write(json.dumps(text) + "\n")
        spool.seek(0)
        pieces = _character_pieces(counts, vocabulary_size, normalizer, pre_tokenizer, minimum_frequency)
        tokenizer = Tokenizer(models.WordPiece(unk_token=SPECIAL_TOKENS["unk"]))
        tokenizer.normalizer = normalizer
        tokenizer.pre_tokenizer = pre_tokenizer
        trainer = trainers.WordPieceTrainer(
            vocab_size=vocabulary_size,
            min_frequency=minimum_frequency,
            special_tokens=pieces,
            limit_alphabet=0,
            continuing_subword_prefix=CONTINUATION_PREFIX,
            show_progress=progress,
        )
        texts = (json.loads(line) for line in spool) if one_pass else _texts(corpus, normalizer, pre_tokenizer)
        tokenizer.train_from_iterator(texts, trainer)
    vocabulary = tokenizer.get_vocab(with_added_tokens=False)
    pieces = sorted(vocabulary, key=vocabulary.__getitem__)
    if len(pieces) != vocabulary_size:
        raise InputError(
            f"the corpus gives {len(pieces)} pieces at minimum_frequency={minimum_frequency} and {vocabulary_size} "
            f"were wanted; ask for at most {len(pieces)}, lower minimum_frequency, or give more text"
        )
    return pieces


def _texts(
    corpus: Iterable[str | Document],
    normalizer: tokenizers.normalizers.Normalizer,
    pre_tokenizer: tokenizers.pre_tokenizers.PreTokenizer,
) -> Iterator[str]:
    """The texts without the words that are too long to learn from."""

    def words(run: re.Match[str]) -> str:
        if len(unicodedata.normalize("NFD", run[0])) <= LONGEST_WORD:
            return run[0]
        split = pre_tokenizer.pre_tokenize_str(normalizer.normalize_str(run[0]))
        return " ".join(word for word, _ in split if len(word) <= LONGEST_WORD)

    for document in corpus:
        text = document if isinstance(document, str) else document.text
        text = text if text.isascii() else replace_surrogates(text)
        if max(map(len, text.split()), default=0) > LONGEST_WORD // (1 if text.isascii() else 4):
            text = _LONG_RUN.sub(words, text)
        yield text


def _character_pieces(
    counts: Counter[str],
    vocabulary_size: int,
    normalizer: tokenizers.normalizers.Normalizer,
    pre_tokenizer: tokenizers.pre_tokenizers.PreTokenizer,
    minimum_frequency: int,
) -> list[str]:
    """The special tokens and, in the order of their code points, the characters that get pieces: c, then ##c."""
    normal: Counter[str] = Counter()
    for character, count in counts.items():
        for c in normalizer.normalize_str(character):
            normal[c] += count
    forms = {c: _forms(c, normalizer, pre_tokenizer) for c in normal}
    ranked = sorted((c for c in normal if forms[c]), key=lambda c: (-normal[c], c))
    if not ranked:
        raise InputError("the corpus has no text to learn pieces from; give one that is not empty")
    total = sum(normal[c] for c in ranked)
    budget = max(vocabulary_size // 2, 1)
    kept, covered, entries, needed = [], 0, len(SPECIAL_TOKENS), 0
    for c in ranked:
        if covered < _LEAST_COVERED * total:
            needed = entries + len(forms[c])
        elif normal[c] < minimum_frequency or total - covered <= _UNCOVERED * total or entries > budget:
            break
        covered += normal[c]
        entries += len(forms[c])
        kept.append(c)
    if needed > vocabulary_size:
        raise InputError(
            f"vocabulary_size is {vocabulary_size} and the special tokens and the most frequent characters of the "
            f"corpus ({_LEAST_COVERED:.0%} of its text) take {needed}; give at least that many"
        )
    kept.sort()
    continuing = [CONTINUATION_PREFIX + c for c in kept if len(forms[c]) == 2]
    return [*SPECIAL_TOKENS.values(), *kept, *continuing][:vocabulary_size]


def _forms(
    character: str,
    normalizer: tokenizers.normalizers.Normalizer,
    pre_tokenizer: tokenizers.pre_tokenizers.PreTokenizer,
) -> list[str]:
    """The pieces a character needs: none for white space, one for what stands alone, else two."""
    words = len(pre_tokenizer.pre_tokenize_str(normalizer.normalize_str(f"a{character}a")))
    return {1: [character, CONTINUATION_PREFIX + character], 2: [], 3: [character]}[words]
