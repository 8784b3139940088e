"""How well classes are told, from the counts of what was taken for what."""

from __future__ import annotations

import numpy as np

from kpt.errors import InputError

__all__ = ["classification_scores", "confusion_matrix", "f1_scores", "matthews_correlation", "multi_label_scores"]


def confusion_matrix(truth: np.ndarray, guess: np.ndarray, classes: int) -> np.ndarray:
    """Return int64 [classes, classes]: how many of each class (rows) were taken for each (columns).

    Args:
        truth: numbers of the true classes, [texts].
        guess: numbers of the classes they were taken for, [texts].
        classes: how many there are.

    Raises:
        InputError: there are not as many guesses as truths.

    Example:
        >>> confusion_matrix(np.array([0, 0, 1]), np.array([0, 1, 1]), 2).tolist()
        [[1, 1], [0, 1]]
    """
    truth, guess = np.asarray(truth, np.int64), np.asarray(guess, np.int64)
    if truth.shape != guess.shape:
        raise InputError(f"{len(guess)} guesses for {len(truth)} labels; give one to each")
    return np.bincount(truth * classes + guess, minlength=classes * classes).reshape(classes, classes)


def f1_scores(hits: np.ndarray, true: np.ndarray, guessed: np.ndarray) -> np.ndarray:
    r"""Return the F1 of each class, the harmonic mean of precision and recall; not a number where it never occurs.

    .. math:: F_1 = 2 h / (t + g)

    Args:
        hits: how often a class was rightly told, h.
        true: how often it occurs, t.
        guessed: how often it was told, g.

    Example:
        >>> f1_scores(np.array([1, 0]), np.array([2, 0]), np.array([1, 3])).round(3).tolist()
        [0.667, 0.0]
    """
    total = np.asarray(true + guessed, np.float64)
    return np.divide(2.0 * hits, total, out=np.full_like(total, np.nan), where=total > 0)


def matthews_correlation(confusion: np.ndarray) -> float:
    r"""Return the correlation of truth and guess, from -1 to 1; 0 where one of them is always the same class.

    .. math:: \frac{c s - \sum_k t_k g_k}{\sqrt{(s^2 - \sum_k t_k^2)(s^2 - \sum_k g_k^2)}}

    with c right of s texts, and class k occurring :math:`t_k` times and told :math:`g_k` times.

    Args:
        confusion: as `confusion_matrix` gives it.

    Example:
        >>> matthews_correlation(np.array([[2, 0], [0, 3]]))
        1.0

    Source: Gorodkin 2004, "Comparing two K-category assignments by a K-category correlation coefficient".
    """
    counts = np.asarray(confusion, np.float64)
    true, guessed, total = counts.sum(axis=1), counts.sum(axis=0), counts.sum()
    scale = (total**2 - true @ true) * (total**2 - guessed @ guessed)
    return float((np.trace(counts) * total - true @ guessed) / np.sqrt(scale)) if scale > 0 else 0.0


def classification_scores(truth: np.ndarray, guess: np.ndarray, classes: int) -> dict[str, float]:
    """Return accuracy, macro-F1, micro-F1 and Matthews's correlation.

    Macro-F1 is the mean of the F1 of the classes that occur among truths or guesses. Micro-F1 counts all classes
    together; where each text has one class it is the accuracy.

    Args:
        truth: numbers of the true classes, [texts].
        guess: numbers of the classes they were taken for, [texts].
        classes: how many there are.

    Raises:
        InputError: there are not as many guesses as truths, or none.

    Example:
        >>> classification_scores(np.array([0, 0, 1]), np.array([0, 1, 1]), 2)["accuracy"].__round__(3)
        0.667
    """
    if not len(truth):
        raise InputError("there is no text to score; give at least one")
    counts = confusion_matrix(truth, guess, classes)
    hits, true, guessed = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    accuracy = float(hits.sum() / counts.sum())
    return {
        "accuracy": accuracy,
        "macro_f1": float(np.nanmean(f1_scores(hits, true, guessed))),
        "micro_f1": accuracy,
        "matthews": matthews_correlation(counts),
    }


def multi_label_scores(truth: np.ndarray, guess: np.ndarray) -> dict[str, float]:
    """Return the scores where a text may have several labels.

    `accuracy` is the share of texts of which all labels are right. Macro-F1 is the mean of the F1 of the labels that
    occur, micro-F1 counts all labels together, and is 0 where none occurs.

    Args:
        truth: [texts, labels], true where a text has the label.
        guess: likewise, where it was told.

    Raises:
        InputError: the shapes differ, or there is no text.

    Example:
        >>> multi_label_scores(np.array([[1, 0], [1, 1]]), np.array([[1, 0], [0, 1]]))
        {'accuracy': 0.5, 'macro_f1': 0.833..., 'micro_f1': 0.8}
    """
    truth, guess = np.asarray(truth, bool), np.asarray(guess, bool)
    if truth.shape != guess.shape or not len(truth):
        raise InputError(f"labels {list(truth.shape)} and guesses {list(guess.shape)}; give one row to each text")
    hits, true, guessed = (value.sum(axis=0) for value in (truth & guess, truth, guess))
    each = f1_scores(hits, true, guessed)
    total = f1_scores(*(value.sum(keepdims=True) for value in (hits, true, guessed)))
    return {
        "accuracy": float((truth == guess).all(axis=1).mean()),
        "macro_f1": float(np.nanmean(each)) if not np.isnan(each).all() else 0.0,
        "micro_f1": float(np.nan_to_num(total[0])),
    }
