"""BERT pre-training: masked tokens and next sentences."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from math import log
from typing import Any, ClassVar

from kpt.data import Batches, MaskedRecords, SentencePairs
from kpt.models import Encoder, bert_config, encoder_config
from kpt.objectives import MaskedLM, NextSentence, Pretrainer
from kpt.objectives.masking import prediction_slots
from kpt.text import Vocabulary
from kpt.training.adaptation import adapted, open_beginning
from kpt.training.baselines import token_counts, unigram_baseline
from kpt.training.optimizers import BERT_RATE, ENCODER_RATE, bert_optimizer, encoder_optimizer
from kpt.training.pretraining import Pretraining, Records, pretrain
from kpt.training.pretraining_data import Data, Part, batches_of
from kpt.training.samples import masked_samples
from kpt.training.settings import Architecture, PretrainSettings

__all__ = ["BertPretraining", "BertSettings", "pretrain_bert"]

SAMPLES, SAMPLE_LENGTH = 8, 48


@dataclass(frozen=True, kw_only=True)
class BertSettings(PretrainSettings):
    """The settings of a BERT pre-training: those of `PretrainSettings`, and whole-word masking.

    `size` is one of `kpt.models.SIZES`, `architecture` `"modern"` (`kpt.models.encoder_config`) or `"published"`
    (`kpt.models.bert_config`).

    Args:
        whole_words: whether all pieces of a word are masked together.

    Raises:
        InputError: a value is out of its range, or a name is unknown.

    Example:
        >>> BertSettings(steps=100, size="minni")
        Traceback (most recent call last):
        ...
        kpt.errors.InputError: There is no size 'minni': choose one of tiny, mini, ...; did you mean 'mini'?
    """

    architectures: ClassVar[Mapping[str, Architecture]] = {
        "modern": Architecture(encoder_config, encoder_optimizer, ENCODER_RATE),
        "published": Architecture(bert_config, bert_optimizer, BERT_RATE),
    }
    shortest: ClassVar[int] = 5  # [CLS] a [SEP] b [SEP]

    whole_words: bool = False


class BertPretraining(Pretraining):
    """Masked tokens and next sentences on pairs of texts, with an `Encoder`.

    Args:
        settings: of the run.
    """

    title = "BERT"
    takes_records = True
    settings: BertSettings

    @property
    def predictions(self) -> int:
        """Slots of masked tokens, see `Pretraining.predictions`."""
        return prediction_slots(self.settings.length, whole_words=self.settings.whole_words)

    def examples(self, part: Part) -> SentencePairs | MaskedRecords:
        """Return pairs of texts, see `Pretraining.examples`."""
        if isinstance(part, MaskedRecords):
            return part
        return SentencePairs(part, length=self.settings.length, seed=self.settings.seed)

    def model(self, vocabulary: Vocabulary) -> Pretrainer:
        """Return the model, see `Pretraining.model`."""
        precision = self.settings.precision
        encoder = Encoder(vocabulary.size, **self.settings.model_config, dtype=precision)
        masked = MaskedLM(whole_words=self.settings.whole_words, dtype=precision)
        return Pretrainer(encoder, [masked, NextSentence(dtype=precision)])

    def baselines(self, train: Part, validation: Batches) -> dict[str, Any]:
        """Return what the tokens' frequencies reach, and a coin for the next sentence."""
        unigram = unigram_baseline(token_counts(train), (validation.batch(step) for step in range(len(validation))))
        return {
            "masked_lm_loss": unigram.loss,
            "masked_lm_loss_words": "frequencies alone",
            "masked_lm_accuracy": unigram.accuracy,
            "masked_lm_accuracy_words": f"always “{train.vocabulary.tokens[unigram.token_id]}”",
            "next_sentence_loss": log(2),
            "next_sentence_loss_words": "a coin",
            "next_sentence_accuracy": 0.5,
            "next_sentence_accuracy_words": "a coin",
        }

    def samples(self, model: Pretrainer, held_out: Part) -> list[dict[str, Any]]:
        """Return masked texts and the model's guesses."""
        examples: SentencePairs | MaskedRecords
        if isinstance(held_out, MaskedRecords):
            examples = held_out
        else:
            length = min(SAMPLE_LENGTH, self.settings.length)
            examples = SentencePairs(held_out, length=length, seed=self.settings.seed)
        batch = batches_of(examples, model, batch_size=SAMPLES, steps=1, prefetch=0).batch(0)
        return masked_samples(model, batch, held_out.vocabulary)

    def results(self, train: Records, held_out: Records, baselines: Mapping[str, Any]) -> dict[str, Any]:
        """Return `mlm_...` and `nsp_...`, see `Pretraining.results`."""
        results: dict[str, Any] = {}
        if train:
            results |= {"mlm_loss_first": train[0]["masked_lm_loss"], "mlm_loss_last": train[-1]["masked_lm_loss"]}
        if held_out:
            last = held_out[-1]
            results |= {
                "mlm_loss_heldout": last["masked_lm_loss"],
                "mlm_loss_baseline": baselines["masked_lm_loss"],
                "mlm_accuracy_heldout": last["masked_lm_accuracy"],
                "mlm_accuracy_baseline": baselines["masked_lm_accuracy"],
                "nsp_loss_heldout": last["next_sentence_loss"],
                "nsp_accuracy_heldout": last["next_sentence_accuracy"],
            }
        return results


def pretrain_bert(
    data: Data,
    out: str | os.PathLike[str],
    settings: BertSettings,
    *,
    source: str | os.PathLike[str] | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Pre-train an encoder on masked tokens and next sentences, evaluate it on held-out documents, write the report.

    Args:
        data: folder of the token store, or a `RecordSource`.
        out: the run folder.
        settings: of the run.
        source: a model to go on with, in place of a new one of the settings' size, see `kpt.load`.
        **options: `resume`, `overwrite`, `progress`, `callbacks` and `devices`, see `kpt.training.pretrain`.

    Returns:
        The results by name, `mlm_accuracy_heldout` and others.

    Raises:
        InputError: the store is damaged or has too few documents, `out` holds something, or the run to go on with has
            other settings.
        FloatingPointError: the loss became infinite or not a number.
    """
    if source is None:
        return pretrain(BertPretraining(settings), data, out, **options)
    beginning = open_beginning(source, Encoder)
    return pretrain(BertPretraining(adapted(settings, beginning)), data, out, beginning=beginning, **options)
