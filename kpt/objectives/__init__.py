"""Pre-training objectives and the model that trains them."""

from kpt.objectives.causal_lm import CausalLM
from kpt.objectives.loss_scores import bits_per_byte, perplexity
from kpt.objectives.masked_lm import MaskedLM
from kpt.objectives.next_sentence import NextSentence
from kpt.objectives.objective import Objective, token_cross_entropy, weighted_mean
from kpt.objectives.pretrainer import Pretrainer
from kpt.objectives.static_masking import StaticMasking, prepare_records, write_records
from kpt.objectives.word2vec import Word2Vec

__all__ = [
    "CausalLM",
    "MaskedLM",
    "NextSentence",
    "Objective",
    "Pretrainer",
    "StaticMasking",
    "Word2Vec",
    "bits_per_byte",
    "perplexity",
    "prepare_records",
    "token_cross_entropy",
    "weighted_mean",
    "write_records",
]
