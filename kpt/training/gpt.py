"""GPT pre-training: the next token of packed documents."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from kpt.data import Batches, PackedSequences, TokenStore
from kpt.generation import generate
from kpt.models import Decoder, decoder_config, gpt2_config
from kpt.objectives import CausalLM, Pretrainer, bits_per_byte, perplexity
from kpt.text import Vocabulary, load_tokenizer
from kpt.training.adaptation import adapted, open_beginning
from kpt.training.baselines import token_counts, unigram_baseline
from kpt.training.optimizers import DECODER_RATE, GPT2_RATE, decoder_optimizer, gpt2_optimizer
from kpt.training.pretraining import Pretraining, Records, pretrain
from kpt.training.settings import Architecture, PretrainSettings

__all__ = ["GptPretraining", "GptSettings", "pretrain_gpt"]

SAMPLES, PROMPT_TOKENS, NEW_TOKENS, TEMPERATURE = 4, 16, 48, 0.8


@dataclass(frozen=True, kw_only=True)
class GptSettings(PretrainSettings):
    """The settings of a GPT pre-training: those of `PretrainSettings`, and whether documents are kept apart.

    `size` is one of `kpt.models.GPT2_SIZES`, `architecture` `"modern"` (`kpt.models.decoder_config`) or `"published"`
    (`kpt.models.gpt2_config`). The model has 1,024 positions, or `length` if that is more.

    Args:
        separate: whether a token sees those of its own document alone.

    Raises:
        InputError: a value is out of its range, or a name is unknown.

    Example:
        >>> GptSettings(steps=100).peak
        0.003
    """

    architectures: ClassVar[Mapping[str, Architecture]] = {
        "modern": Architecture(decoder_config, decoder_optimizer, DECODER_RATE),
        "published": Architecture(gpt2_config, gpt2_optimizer, GPT2_RATE),
    }

    separate: bool = False

    @property
    def model_config(self) -> dict[str, Any]:
        """What the decoder is built with, beside the size of the vocabulary."""
        config = super().model_config
        return config if self.backbone else {**config, "maximum_length": max(1024, self.length)}


class GptPretraining(Pretraining):
    """The next token, with a `Decoder` on packed documents.

    Args:
        settings: of the run.
    """

    title = "GPT"
    settings: GptSettings
    least_held_out = 1

    @property
    def predictions(self) -> int:
        """Every token, see `Pretraining.predictions`."""
        return self.settings.length

    def examples(self, store: TokenStore) -> PackedSequences:
        """Return packed documents, see `Pretraining.examples`."""
        settings = self.settings
        return PackedSequences(store, length=settings.length, separate=settings.separate, seed=settings.seed)

    def model(self, vocabulary: Vocabulary) -> Pretrainer:
        """Return the model, see `Pretraining.model`."""
        precision = self.settings.precision
        decoder = Decoder(vocabulary.size, **self.settings.model_config, dtype=precision)
        return Pretrainer(decoder, [CausalLM(dtype=precision)])

    def baselines(self, train: TokenStore, validation: Batches) -> dict[str, Any]:
        """Return what the frequencies of the tokens reach, ends of documents among them."""
        batches = (validation.batch(step) for step in range(len(validation)))
        counts = token_counts(train, end_id=self.examples(train).end_id)
        unigram = unigram_baseline(counts, batches, task="causal")
        summary = train.summary
        # The end of each document is predicted too; where documents are kept apart, the first token of each is not.
        predicted = summary["tokens"] + (0 if self.settings.separate else summary["documents"])
        bytes_per_token = summary["bytes"] / predicted
        return {
            "causal_lm_loss": unigram.loss,
            "causal_lm_loss_words": "frequencies alone",
            "causal_lm_accuracy": unigram.accuracy,
            "causal_lm_accuracy_words": f"always “{train.vocabulary.tokens[unigram.token_id]}”",
            "bytes_per_token": round(bytes_per_token, 4),
        }

    def samples(self, model: Pretrainer, held_out: TokenStore) -> list[dict[str, Any]]:
        """Return beginnings of held-out documents and how the model goes on with them."""
        tokenizer = load_tokenizer(held_out.tokenizer_folder)
        documents = range(min(SAMPLES, held_out.documents))
        starts = [held_out.document(index)[0][:PROMPT_TOKENS].tolist() for index in documents]
        seed = self.settings.seed % 2**31
        written = generate(model, tokenizer, starts, max_new_tokens=NEW_TOKENS, temperature=TEMPERATURE, seed=seed)
        samples = []
        for start, ids in zip(starts, written, strict=True):
            prompt, whole = tokenizer.decode(start), tokenizer.decode([*start, *ids], skip_special_tokens=True)
            samples.append({"prompt": prompt, "text": whole[len(prompt) :]})
        return samples

    def results(self, train: Records, held_out: Records, baselines: Mapping[str, Any]) -> dict[str, Any]:
        """Return loss, perplexity and bits per byte, see `Pretraining.results`.

        Bits per byte are estimated with the bytes of the whole store for each token that is predicted.
        """
        results: dict[str, Any] = {}
        if train:
            results |= {"loss_first": train[0]["causal_lm_loss"], "loss_last": train[-1]["causal_lm_loss"]}
        if held_out:
            loss, baseline = held_out[-1]["causal_lm_loss"], baselines["causal_lm_loss"]
            size = round(1e6 * baselines["bytes_per_token"])
            results |= {
                "loss_heldout": loss,
                "loss_baseline": baseline,
                "perplexity_heldout": None if loss is None else round(perplexity(loss), 2),
                "perplexity_baseline": round(perplexity(baseline), 2),
                "bits_per_byte_heldout": None if loss is None else round(bits_per_byte(loss, 1_000_000, size), 4),
                "accuracy_heldout": held_out[-1]["causal_lm_accuracy"],
                "accuracy_baseline": baselines["causal_lm_accuracy"],
            }
        return results


def pretrain_gpt(
    data: str | os.PathLike[str],
    out: str | os.PathLike[str],
    settings: GptSettings,
    *,
    source: str | os.PathLike[str] | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Pre-train a decoder on packed documents, evaluate it on held-out ones, write the report.

    Args:
        data: folder of the token store.
        out: the run folder.
        settings: of the run.
        source: a model to go on with, in place of a new one of the settings' size, see `kpt.load`.
        **options: `resume`, `overwrite`, `progress`, `callbacks` and `devices`, see `kpt.training.pretrain`.

    Returns:
        The results by name, `perplexity_heldout` and others.

    Raises:
        InputError: the store is damaged or has too few documents, `out` holds something, or the run to go on with has
            other settings.
        FloatingPointError: the loss became infinite or not a number.
    """
    if source is None:
        return pretrain(GptPretraining(settings), data, out, **options)
    beginning = open_beginning(source, Decoder)
    return pretrain(GptPretraining(adapted(settings, beginning)), data, out, beginning=beginning, **options)
