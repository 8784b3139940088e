"""What a language model writes while it learns."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import IO, Any

import keras

from kpt.errors import InputError
from kpt.generation import generate
from kpt.text import Tokenizer

__all__ = ["GenerateSamples"]


class GenerateSamples(keras.callbacks.Callback):
    """Has the model go on with prompts, at the end of each epoch or every so many steps, and prints what it writes.

    The seed is the same each time: what differs from one time to the next is what the model has learnt.

    Args:
        tokenizer: The tokenizer of the model that is trained.
        prompts: A text or texts; `""` is the beginning of a text.
        every: Steps between two times, counted over epochs in this call of `fit`; by default the end of each epoch.
        file: Where to print; standard output by default. `False`: nowhere, the texts are only collected.
        max_new_tokens: Of each text, see `kpt.generate`.
        **options: The other options of `kpt.generate`, such as `temperature`, `top_p`, `seed`.

    Attributes:
        samples: A dict for each text so far: `step`, counted in this call of `fit`, `prompt`, `text`.

    Raises:
        InputError: If there is no prompt, or `every` is below 1. Prompts and options that do not fit the model are
            refused when `fit` begins, before the first step.

    Example:
        >>> samples = GenerateSamples(tokenizer, ["Once upon a time"], every=500, top_p=0.9)  # doctest: +SKIP
        >>> model.fit(batches, callbacks=[samples])  # doctest: +SKIP
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        prompts: str | Sequence[str],
        *,
        every: int | None = None,
        file: IO[str] | bool | None = None,
        max_new_tokens: int = 50,
        **options: Any,
    ) -> None:
        super().__init__()
        self.prompts = [prompts] if isinstance(prompts, str) else list(prompts)
        if not self.prompts:
            raise InputError("there is no prompt; give one or more texts")
        if every is not None and every < 1:
            raise InputError(f"every is {every}; give 1 step or more, or None for the end of each epoch")
        self.tokenizer, self.every, self.file = tokenizer, every, file
        self.options = {"max_new_tokens": max_new_tokens, **options}
        self.samples: list[dict[str, Any]] = []

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Count from 0; refuse what the model cannot go on with before time is spent on training."""
        self._step = self._epoch_start = self._sampled = 0
        self.samples.clear()
        self._texts()

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Keras counts the batches anew."""
        self._epoch_start = self._step

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Write where the steps have passed a multiple of `every`."""
        self._step = self._epoch_start + batch + 1
        if self.every is not None and self._step // self.every != self._sampled // self.every:
            self._write()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Write where no number of steps was asked for."""
        if self.every is None:
            self._write()

    def _texts(self) -> list[str]:
        return generate(self.model, self.tokenizer, self.prompts, **self.options)

    def _write(self) -> None:
        self._sampled = self._step
        texts = self._texts()
        each = len(texts) // len(self.prompts)
        for number, text in enumerate(texts):
            prompt = self.prompts[number // each]
            self.samples.append({"step": self._step, "prompt": prompt, "text": text})
            if self.file is not False:
                file = sys.stdout if self.file is None or self.file is True else self.file
                print(f"step {self._step:,}: {prompt}{text}", file=file, flush=True)
