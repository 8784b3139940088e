"""How good a model is, by the field's own tests."""

from kpt.evaluation.analogies import AnalogyScore, evaluate_analogies, read_analogies
from kpt.evaluation.perplexity import bits_per_byte, perplexity
from kpt.evaluation.ranks import pearson_correlation, spearman_correlation
from kpt.evaluation.word_pairs import WordPairScore, evaluate_word_pairs, read_word_pairs

__all__ = [
    "AnalogyScore",
    "WordPairScore",
    "bits_per_byte",
    "evaluate_analogies",
    "evaluate_word_pairs",
    "pearson_correlation",
    "perplexity",
    "read_analogies",
    "read_word_pairs",
    "spearman_correlation",
]
