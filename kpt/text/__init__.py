"""Text: reading corpora, cleaning them, splitting sentences, and turning text into ids and back.

Nothing is imported before it is used, as with `kpt` itself: reading a corpus loads the standard library alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kpt.lazy import lazy_names

if TYPE_CHECKING:
    from kpt.text import clean
    from kpt.text.byte_pair import BytePairTokenizer
    from kpt.text.characters import CharacterTokenizer
    from kpt.text.corpus import Corpus
    from kpt.text.docstrings import DocumentationCorpus, documentation
    from kpt.text.document import Document
    from kpt.text.fasta import FastaCorpus
    from kpt.text.phrases import Phrases
    from kpt.text.sentencepiece import SentencePieceTokenizer
    from kpt.text.sentences import split_sentences, whole_document
    from kpt.text.sessions import Sessions
    from kpt.text.tokenizer import Ragged, Tokenizer, load_tokenizer
    from kpt.text.vocabulary import Vocabulary
    from kpt.text.wordpiece import WordPieceTokenizer
    from kpt.text.words import WordTokenizer

__all__ = [
    "BytePairTokenizer",
    "CharacterTokenizer",
    "Corpus",
    "Document",
    "DocumentationCorpus",
    "FastaCorpus",
    "Phrases",
    "Ragged",
    "SentencePieceTokenizer",
    "Sessions",
    "Tokenizer",
    "Vocabulary",
    "WordPieceTokenizer",
    "WordTokenizer",
    "clean",
    "documentation",
    "load_tokenizer",
    "split_sentences",
    "whole_document",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "BytePairTokenizer": "kpt.text.byte_pair",
        "CharacterTokenizer": "kpt.text.characters",
        "Corpus": "kpt.text.corpus",
        "Document": "kpt.text.document",
        "DocumentationCorpus": "kpt.text.docstrings",
        "FastaCorpus": "kpt.text.fasta",
        "Phrases": "kpt.text.phrases",
        "Ragged": "kpt.text.tokenizer",
        "SentencePieceTokenizer": "kpt.text.sentencepiece",
        "Sessions": "kpt.text.sessions",
        "Tokenizer": "kpt.text.tokenizer",
        "Vocabulary": "kpt.text.vocabulary",
        "WordPieceTokenizer": "kpt.text.wordpiece",
        "WordTokenizer": "kpt.text.words",
        "documentation": "kpt.text.docstrings",
        "load_tokenizer": "kpt.text.tokenizer",
        "split_sentences": "kpt.text.sentences",
        "whole_document": "kpt.text.sentences",
        "clean": "kpt.text.clean",
    },
)
