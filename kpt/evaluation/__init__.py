"""How good a model is, by the field's own tests."""

from kpt.evaluation.analogies import AnalogyScore, evaluate_analogies, read_analogies
from kpt.evaluation.answers import answer_f1, answer_match, answer_scores, best_threshold, normalize_answer
from kpt.evaluation.bootstrap import bootstrap_intervals
from kpt.evaluation.classification import (
    classification_scores,
    confusion_matrix,
    matthews_correlation,
    multi_label_scores,
)
from kpt.evaluation.entities import entity_scores
from kpt.evaluation.language_models import evaluate_causal_lm, evaluate_masked_lm
from kpt.evaluation.ranks import pearson_correlation, spearman_correlation
from kpt.evaluation.regression import regression_scores
from kpt.evaluation.task_scores import evaluate_task
from kpt.evaluation.word_pairs import WordPairScore, evaluate_word_pairs, read_word_pairs

__all__ = [
    "AnalogyScore",
    "WordPairScore",
    "answer_f1",
    "answer_match",
    "answer_scores",
    "best_threshold",
    "bootstrap_intervals",
    "classification_scores",
    "confusion_matrix",
    "entity_scores",
    "evaluate_analogies",
    "evaluate_causal_lm",
    "evaluate_masked_lm",
    "evaluate_task",
    "evaluate_word_pairs",
    "matthews_correlation",
    "multi_label_scores",
    "normalize_answer",
    "pearson_correlation",
    "read_analogies",
    "read_word_pairs",
    "regression_scores",
    "spearman_correlation",
]
