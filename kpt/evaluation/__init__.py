"""How good a model is, by the field's own tests."""

from kpt.evaluation.perplexity import bits_per_byte, perplexity

__all__ = ["bits_per_byte", "perplexity"]
