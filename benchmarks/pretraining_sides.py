"""One side of the pre-training benchmark: builds a model, then trains and evaluates it as it is told on stdin.

A command is a JSON object a line, `{"train": steps}` or `{"evaluate": true}`; the answer is a line on stdout that
begins with `ANSWER`.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

ANSWER = "@answer "
Batch = dict[str, np.ndarray]


class Side:
    """A model behind two functions, and the steps it has behind it."""

    def __init__(self, settings: dict[str, Any]) -> None:
        from kpt.data import Batches, SentencePairs, TokenStore
        from kpt.objectives import MaskedLM, NextSentence

        self.settings = settings
        store = TokenStore.open(settings["store"])
        self.vocabulary_size = store.vocabulary.size
        train, held_out = store.split(held_out=0.05, seed=0)
        options: dict[str, Any] = {"objectives": [MaskedLM(), NextSentence()], "batch_size": settings["batch_size"]}
        pairs = {part: SentencePairs(part, length=settings["length"], seed=0) for part in (train, held_out)}
        self.training = Batches(pairs[train], steps=settings["steps"], **options)
        self.held_out = Batches(pairs[held_out], steps=settings["evaluation_batches"], **options)
        self.step = 0
        self.train_steps, self.logits = BUILDERS[settings["model"]](self)

    def train(self, steps: int) -> dict[str, float]:
        """Train on the next batches; return the seconds."""
        batches = [self.training.batch(step) for step in range(self.step, self.step + steps)]
        begin = time.perf_counter()
        self.train_steps(batches)
        self.step += steps
        return {"seconds": time.perf_counter() - begin}

    def evaluate(self) -> dict[str, float]:
        """Return loss and accuracy of the masked tokens and accuracy of the pairs on held-out documents."""
        sums = np.zeros(5)
        for number in range(len(self.held_out)):
            batch = self.held_out.batch(number)
            masked, pair = (np.asarray(each, "float32") for each in self.logits(batch))
            labels, weights = batch["mask_labels"], batch["mask_weights"]
            top = masked.max(-1)
            total = np.log(np.exp(masked - top[..., None]).sum(-1)) + top
            losses = total - np.take_along_axis(masked, labels[..., None], -1)[..., 0]
            hits = masked.argmax(-1) == labels
            right = pair.argmax(-1) == batch["next_sentence_labels"]
            sums += [(losses * weights).sum(), (hits * weights).sum(), weights.sum(), right.sum(), len(right)]
        return {
            "masked_lm_loss": sums[0] / sums[2],
            "masked_lm_accuracy": sums[1] / sums[2],
            "next_sentence_accuracy": sums[3] / sums[4],
        }


def optimizer(side: Side) -> Any:
    """Return AdamW with BERT's schedule, which both Keras sides of the published model are given."""
    from kpt.training import adamw

    return adamw(side.settings["learning_rate"], side.settings["steps"])


def fitted(model: Any, convert: Callable[[Batch], tuple[Any, ...]]) -> Callable[[list[Batch]], None]:
    """Return a function that trains a compiled Keras model by `fit`."""
    import keras

    class Given(keras.utils.PyDataset):
        batches: list[Batch] = []  # noqa: RUF012 - set before each call of fit

        def __len__(self) -> int:
            return len(self.batches)

        def __getitem__(self, index: int) -> tuple[Any, ...]:
            return convert(self.batches[index])

    given = Given()

    def train(batches: list[Batch]) -> None:
        given.batches = batches
        model.fit(given, shuffle=False, verbose=0)

    return train


def kpt_model(side: Side) -> tuple[Any, Any]:
    """The published BERT, or the recipe for small corpora, from kpt."""
    from kpt.models import Encoder, bert_config, encoder_config
    from kpt.objectives import Pretrainer
    from kpt.training import encoder_optimizer

    modern = side.settings["model"] == "kpt-recipe"
    arguments = (encoder_config if modern else bert_config)(side.settings["size"])
    if not modern:
        arguments |= {"dropout": side.settings["dropout"], "maximum_length": side.settings["length"]}
    encoder = Encoder(side.vocabulary_size, **arguments)
    model = Pretrainer(encoder, side.training.objectives)
    adam = encoder_optimizer(side.settings["steps"]) if modern else optimizer(side)
    model.compile(optimizer=adam, jit_compile=side.settings["jit_compile"])

    def logits(batch: Batch) -> tuple[Any, Any]:
        predictions = model.predict_on_batch(batch)
        return predictions["masked_lm"], predictions["next_sentence"]

    return fitted(model, lambda batch: (batch,)), logits


def keras_hub_model(side: Side) -> tuple[Any, Any]:
    """The same BERT from the parts of keras-hub."""
    import keras
    import keras_hub

    settings, slots = side.settings, side.training.batch(0)["mask_positions"].shape[1]
    from kpt.models import bert_config

    arguments = bert_config(settings["size"])
    backbone = keras_hub.models.BertBackbone(
        vocabulary_size=side.vocabulary_size,
        num_layers=arguments["depth"],
        num_heads=arguments["heads"],
        hidden_dim=arguments["width"],
        intermediate_dim=4 * arguments["width"],
        dropout=settings["dropout"],
        max_sequence_length=settings["length"],
        num_segments=2,
    )
    positions = keras.Input((slots,), dtype="int32", name="mask_positions")
    outputs = backbone(backbone.input)
    head = keras_hub.layers.MaskedLMHead(
        vocabulary_size=side.vocabulary_size,
        token_embedding=backbone.token_embedding,
        intermediate_activation="gelu",
        kernel_initializer=keras.initializers.TruncatedNormal(stddev=0.02),
    )
    masked = head(outputs["sequence_output"], mask_positions=positions)
    pair = keras.layers.Dense(2)(outputs["pooled_output"])
    model = keras.Model({**backbone.input, "mask_positions": positions}, {"masked": masked, "pair": pair})
    entropy = keras.losses.SparseCategoricalCrossentropy
    model.compile(
        optimizer=optimizer(side),
        loss={
            "masked": entropy(from_logits=True, reduction="mean_with_sample_weight"),
            "pair": entropy(from_logits=True),
        },
        weighted_metrics={"masked": ["accuracy"], "pair": ["accuracy"]},
        jit_compile=settings["jit_compile"],
    )
    features = ("token_ids", "segment_ids", "padding_mask", "mask_positions")

    def convert(batch: Batch) -> tuple[Any, ...]:
        return (
            {name: batch[name] for name in features},
            {"masked": batch["mask_labels"], "pair": batch["next_sentence_labels"]},
            {"masked": batch["mask_weights"], "pair": np.ones(len(batch["token_ids"]), "float32")},
        )

    def logits(batch: Batch) -> tuple[Any, Any]:
        predictions = model.predict_on_batch({name: batch[name] for name in features})
        return predictions["masked"], predictions["pair"]

    return fitted(model, convert), logits


def hugging_face_model(side: Side) -> tuple[Any, Any]:
    """The same BERT from Hugging Face, with the loop that its documentation shows."""
    import torch
    from transformers import BertConfig, BertForPreTraining, get_linear_schedule_with_warmup

    from kpt.models import bert_config

    settings, arguments = side.settings, bert_config(side.settings["size"])
    config = BertConfig(
        vocab_size=side.vocabulary_size,
        hidden_size=arguments["width"],
        num_hidden_layers=arguments["depth"],
        num_attention_heads=arguments["heads"],
        intermediate_size=4 * arguments["width"],
        max_position_embeddings=settings["length"],
        hidden_dropout_prob=settings["dropout"],
        attention_probs_dropout_prob=settings["dropout"],
    )
    model = BertForPreTraining(config)
    adam = torch.optim.AdamW(model.parameters(), lr=settings["learning_rate"], eps=1e-6, weight_decay=0.01)
    schedule = get_linear_schedule_with_warmup(adam, settings["steps"] // 10, settings["steps"])
    half = settings["precision"] == "mixed_bfloat16"

    def inputs(batch: Batch) -> dict[str, Any]:
        names = {"token_ids": "input_ids", "segment_ids": "token_type_ids", "padding_mask": "attention_mask"}
        return {theirs: torch.from_numpy(batch[ours].astype("int64")) for ours, theirs in names.items()}

    def train(batches: list[Batch]) -> None:
        model.train()
        for batch in batches:
            labels = np.full(batch["token_ids"].shape, -100)
            used = batch["mask_weights"] > 0
            labels[np.nonzero(used)[0], batch["mask_positions"][used]] = batch["mask_labels"][used]
            pair = torch.from_numpy(batch["next_sentence_labels"].astype("int64"))
            with torch.autocast("cpu", torch.bfloat16, enabled=half):
                loss = model(**inputs(batch), labels=torch.from_numpy(labels), next_sentence_label=pair).loss
            adam.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            adam.step()
            schedule.step()

    def logits(batch: Batch) -> tuple[Any, Any]:
        model.eval()
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=half):
            predictions = model(**inputs(batch))
        rows = np.arange(len(batch["token_ids"]))[:, None]
        masked = predictions.prediction_logits.float().numpy()[rows, batch["mask_positions"]]
        return masked, predictions.seq_relationship_logits.float().numpy()

    return train, logits


BUILDERS: dict[str, Callable[[Side], tuple[Any, Any]]] = {
    "kpt": kpt_model,
    "kpt-recipe": kpt_model,
    "keras-hub": keras_hub_model,
    "hugging-face": hugging_face_model,
}


def answer_commands(settings: dict[str, Any], make: Callable[[dict[str, Any]], Any] = Side) -> None:
    """Answer commands with a side of these settings until stdin ends.

    A command names a method: `{"train": 5}` is `side.train(5)`, and `{"evaluate": true}` is `side.evaluate()`.
    """
    os.environ["KERAS_BACKEND"] = settings["backend"]
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras

    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy(settings["precision"])
    side = make(settings)
    for line in sys.stdin:
        name, argument = json.loads(line).popitem()
        answer = getattr(side, name)() if argument is True else getattr(side, name)(argument)
        print(ANSWER + json.dumps(answer), flush=True)


if __name__ == "__main__":
    answer_commands(json.loads(sys.argv[1]))
