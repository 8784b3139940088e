"""What differs in the flow of `kpt demo` from one kind of model to the other."""

from __future__ import annotations

import argparse
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from kpt.errors import InputError

if TYPE_CHECKING:
    from kpt.text import Corpus, DocumentationCorpus, Tokenizer
    from kpt.training import RunFolder

__all__ = ["DEMO_MODELS", "DemoModel"]

FIRST = "Compute the arithmetic mean along the specified axis."


class DemoModel(ABC):
    """A kind of model, with the settings of the call.

    Args:
        arguments: of `kpt demo`; what is not given (None) gets the kind's own default.

    Raises:
        InputError: a setting is wrong, or not one of this kind.
    """

    title: ClassVar[str]
    #: The folder of the export, among other models.
    folder: ClassVar[str]
    vocabulary_size: ClassVar[int] = 8000
    #: What the tokenizer has so many of.
    tokens: ClassVar[str] = "pieces"
    #: What the export is asked, and what a user might ask next.
    questions: ClassVar[Sequence[str]]
    another: ClassVar[str]

    settings: Any

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.settings = self.settings_of(arguments)

    @property
    def described(self) -> str:
        """The kind, with its size if it has one."""
        size = getattr(self.settings, "size", None)
        return self.title if size is None else f"{self.title} ({size})"

    @abstractmethod
    def settings_of(self, arguments: argparse.Namespace) -> Any:
        """Return the settings of the training."""

    @abstractmethod
    def tokenizer(
        self, corpus: Corpus | DocumentationCorpus, vocabulary_size: int, *, progress: bool = False
    ) -> Tokenizer:
        """Train the tokenizer."""

    @abstractmethod
    def pretrain(self, store: Path, run: Path) -> dict[str, Any]:
        """Train, and return the results by name."""

    @abstractmethod
    def summary(self, results: dict[str, Any]) -> str:
        """What training has come to, in a line."""

    def export(self, run: RunFolder, target: Path) -> Path:
        """Export the model of a run; returns the version's folder."""
        from kpt.export import saved_model

        return saved_model(run.load(compile=False), run.tokenizer, target, length=self.settings.length)


class DemoBert(DemoModel):
    """BERT: masked tokens and next sentences."""

    title, folder = "BERT", "bert"
    questions = (
        "Returns the [MASK] of the array elements along the given axis.",
        "A [MASK] is raised if the file does not exist.",
        "If the value is None, the [MASK] is used.",
        f"{FIRST} ||| Returns the average of the array elements, over the flattened array by default.",
        f"{FIRST} ||| Close the connection to the mail server and log out.",
    )
    another = "Return a new [MASK] with the same items."

    def settings_of(self, arguments: argparse.Namespace) -> Any:
        """Return the settings of the training."""
        from kpt.training import BertSettings

        return BertSettings(**sequence_settings(arguments))

    def tokenizer(
        self, corpus: Corpus | DocumentationCorpus, vocabulary_size: int, *, progress: bool = False
    ) -> Tokenizer:
        """Train a WordPiece tokenizer."""
        from kpt.text import WordPieceTokenizer

        return WordPieceTokenizer.train(corpus, vocabulary_size, progress=progress)

    def pretrain(self, store: Path, run: Path) -> dict[str, Any]:
        """Train, and return the results by name."""
        from kpt.training import pretrain_bert

        return pretrain_bert(store, run, self.settings, progress=True)

    def summary(self, results: dict[str, Any]) -> str:
        """How many masked tokens are guessed."""
        return (
            f"masked tokens of held-out documents: {results['mlm_accuracy_heldout']:.1%} guessed, "
            f"{results['mlm_accuracy_baseline']:.1%} by always taking the most frequent one"
        )


class DemoGpt(DemoModel):
    """GPT: the next token."""

    title, folder = "GPT", "gpt"
    questions = (
        "Return a list of",
        "Compute the mean of",
        "Raises:\n    ValueError:",
        "The name of the file",
    )
    another = "This function is"

    def settings_of(self, arguments: argparse.Namespace) -> Any:
        """Return the settings of the training."""
        from kpt.training import GptSettings

        return GptSettings(**sequence_settings(arguments))

    def tokenizer(
        self, corpus: Corpus | DocumentationCorpus, vocabulary_size: int, *, progress: bool = False
    ) -> Tokenizer:
        """Train a byte-level BPE tokenizer."""
        from kpt.text import BytePairTokenizer

        return BytePairTokenizer.train(corpus, vocabulary_size, progress=progress)

    def pretrain(self, store: Path, run: Path) -> dict[str, Any]:
        """Train, and return the results by name."""
        from kpt.training import pretrain_gpt

        return pretrain_gpt(store, run, self.settings, progress=True)

    def summary(self, results: dict[str, Any]) -> str:
        """The perplexity."""
        return (
            f"perplexity of a token of held-out documents: {results['perplexity_heldout']:,.1f}, "
            f"{results['perplexity_baseline']:,.1f} by the frequencies of the tokens alone"
        )

    def export(self, run: RunFolder, target: Path) -> Path:
        """Export the model of a run; prompt and text together may take all of its positions."""
        from kpt.export import saved_model

        return saved_model(run.load(compile=False), run.tokenizer, target)


class DemoWord2Vec(DemoModel):
    """word2vec: vectors of words."""

    title, folder = "word2vec", "word2vec"
    vocabulary_size, tokens = 20_000, "words"
    questions = ("array", "file", "raised", "float", "class", "mean")
    another = "tensor"

    def settings_of(self, arguments: argparse.Namespace) -> Any:
        """Return the settings of the training."""
        from kpt.training.word2vec_settings import Word2VecSettings

        for name in ("size", "steps"):
            if getattr(arguments, name) is not None:
                raise InputError(f"--{name} is for --model bert or gpt, not word2vec; leave it out")
        given = {name: getattr(arguments, name) for name in ("batch_size", "length")}
        return Word2VecSettings(**{name: value for name, value in given.items() if value is not None})

    def tokenizer(
        self, corpus: Corpus | DocumentationCorpus, vocabulary_size: int, *, progress: bool = False
    ) -> Tokenizer:
        """Collect the words: letters and underscores, their case kept, since it tells names in code from words."""
        from kpt.text import WordTokenizer

        return WordTokenizer.train(corpus, vocabulary_size, word_pattern=r"[^\W\d]+")

    def pretrain(self, store: Path, run: Path) -> dict[str, Any]:
        """Train, and return the results by name."""
        from kpt.training.word2vec import pretrain_word2vec

        return pretrain_word2vec(store, run, self.settings, progress=True)

    def summary(self, results: dict[str, Any]) -> str:
        """How much was gone through."""
        return f"{results['words']:,} words in {self.settings.epochs} epochs, loss {results['loss_last']:.3f} a pair"

    def export(self, run: RunFolder, target: Path) -> Path:
        """Export the vectors of a run."""
        from kpt.export import export_word_vectors
        from kpt.training.word2vec import run_vectors

        return export_word_vectors(run_vectors(run), target)


DEMO_MODELS: dict[str, type[DemoModel]] = {"bert": DemoBert, "gpt": DemoGpt, "word2vec": DemoWord2Vec}


def sequence_settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the settings that models of sequences of tokens share."""
    defaults = {"size": "mini", "steps": 450, "batch_size": 32, "length": 128}
    given = {name: getattr(arguments, name) for name in defaults}
    return {name: defaults[name] if value is None else value for name, value in given.items()}
