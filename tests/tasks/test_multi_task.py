from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from kpt import InputError
from kpt.data import LabelledBatches, TaskMixture
from kpt.data.task_mixture import joint_batch
from kpt.evaluation.task_scores import text_losses
from kpt.tasks import Classifier, MultiTask, Regressor, Tagger, refuse_several
from tests.numbers import array
from tests.tasks.small_task import BAD, GOOD, LABELS, TEXTS, small_encoder, small_tokenizer

TOKENIZER = small_tokenizer()
TAGS = [["B-x" if word in (*GOOD, *BAD) else "O" for word in text.split()] for text in TEXTS]
WORDS = [text.split() for text in TEXTS]
STARS = [4.0 + number % 2 if label == "pos" else 1.0 + number % 2 for number, label in enumerate(LABELS)]
SEVERAL = [[label, "end"] for label in LABELS]
THINGS = ["end", "neg", "pos"]
DATA = {"mood": (TEXTS, LABELS), "words": (WORDS, TAGS), "stars": (TEXTS, STARS), "things": (TEXTS, SEVERAL)}


def small_model(windows: int = 1, **options: Any) -> MultiTask:
    keras.utils.set_random_seed(0)
    encoder = small_encoder(TOKENIZER)
    common = {"length": 16, "dropout": 0.0, "tokenizer": TOKENIZER}
    tasks = {
        "mood": Classifier(encoder, ["neg", "pos"], windows=windows, **common),
        "words": Tagger(encoder, ["O", "B-x", "I-x"], **common),
        "stars": Regressor(encoder, 3.0, 1.5, pooling="first", windows=windows, **common),
        "things": Classifier(encoder, THINGS, multi_label=True, **common),
    }
    return MultiTask(tasks, **options)


def made_examples(model: MultiTask) -> dict[str, Any]:
    return {name: model.tasks[name].batches(*some).maker for name, some in DATA.items()}


@pytest.fixture(scope="module")
def trained() -> tuple[MultiTask, dict[str, list[float]]]:
    model = small_model()
    model.compile(keras.optimizers.Adam(1e-2))
    return model, model.fit(DATA, batch_size=8, epochs=10, validation_data=DATA, verbose=0).history


def test_all_tasks_are_learned_together(trained: tuple[MultiTask, dict[str, list[float]]], tmp_path: Path) -> None:
    model, history = trained
    names = {"loss", *(f"{name}_loss" for name in DATA), "mood_accuracy", "words_accuracy", "things_accuracy"}
    names.add("stars_mean_absolute_error")
    assert set(history) == names | {f"val_{name}" for name in names}
    assert history["mood_accuracy"][-1] == history["val_words_accuracy"][-1] == 1
    assert history["val_things_accuracy"][-1] > 0.95 and history["val_stars_mean_absolute_error"][-1] < 0.7
    mood, words = model.tasks["mood"], model.tasks["words"]
    assert isinstance(mood, Classifier) and isinstance(words, Tagger)
    assert mood.classify(TEXTS) == LABELS and words.tag(WORDS) == TAGS
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    again.tokenizer = TOKENIZER
    for name, task in model.tasks.items():
        old, new = task.predict(TEXTS[:4], verbose=0), again.tasks[name].predict(TEXTS[:4], verbose=0)
        for one, other in zip(old, new, strict=True):
            np.testing.assert_array_equal(one, other)
    assert again.backbone is again.tasks["words"].backbone
    assert len(again.weights) == len(model.weights) == len(model.backbone.weights) + 2 * len(DATA)


def test_what_is_logged_of_a_task_is_the_mean_over_its_texts(
    trained: tuple[MultiTask, dict[str, list[float]]],
) -> None:
    model, _ = trained
    found = model.evaluate(DATA, batch_size=7, verbose=0, return_dict=True)
    for name, some in DATA.items():
        task = model.tasks[name]
        batches = task.batches(*some, batch_size=7, shuffle=False, repeat=True)
        outputs, truth = task.predict_in_order(batches), batches.maker.labels
        losses = text_losses(task, truth, outputs)
        if name == "words":  # the mean over words, not over texts
            losses = np.repeat(losses, [len(words) for words in WORDS])
        assert found[f"{name}_loss"] == pytest.approx(losses.mean(), rel=1e-4)
    accuracy = np.mean([told == label for told, label in zip(model.tasks["mood"].classify(TEXTS), LABELS, strict=True)])
    assert found["mood_accuracy"] == pytest.approx(accuracy)


def test_the_loss_of_a_mixed_batch() -> None:
    model = small_model(loss_weights={"stars": 0.5})
    examples = made_examples(model)
    rows = {"mood": [0, 29, 7], "words": [3, 4], "stars": [12], "things": [1, 2]}
    batch = joint_batch(examples, [(name, np.array(some)) for name, some in rows.items()])
    inputs, labels, weights = (keras.tree.map_structure(ops.convert_to_tensor, part) for part in batch)
    outputs = model(inputs)
    loss = float(array(model.compute_loss(inputs, labels, outputs, weights)))
    wanted = 0.0
    for name, some in rows.items():
        task = model.tasks[name]
        told = task.predict([DATA[name][0][row] for row in some], verbose=0)
        losses = text_losses(task, np.asarray(examples[name].labels)[some], told)
        wanted += (0.5 if name == "stars" else 1.0) * len(some) / 8 * losses.mean()
    assert loss == pytest.approx(wanted, rel=1e-5)


def test_other_heads_do_not_move_the_backbone() -> None:
    """A batch of one task trains the backbone as the task's own model does."""
    together, alone = small_model(), small_model()
    sgd = {"learning_rate": 0.1}
    together.compile(keras.optimizers.SGD(**sgd))
    task = alone.tasks["mood"]
    task.compile(keras.optimizers.SGD(**sgd))
    rows = np.arange(10)
    examples = made_examples(together)
    inputs, labels, weights = joint_batch(examples, [("mood", rows)])
    others = [array(weight.value) for name in ("words", "stars") for weight in together.tasks[name].head.weights]
    together.train_on_batch(inputs, labels, weights)
    task.train_on_batch(*examples["mood"].batch_of(rows))
    for one, other in zip(together.backbone.weights, alone.backbone.weights, strict=True):
        np.testing.assert_allclose(array(one.value), array(other.value), rtol=1e-5, atol=1e-6)
    kept = [array(weight.value) for name in ("words", "stars") for weight in together.tasks[name].head.weights]
    for old, new in zip(others, kept, strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_step_is_compiled_once_for_all_tasks() -> None:
    """The layers of the model run in Python only while Keras traces a step."""
    model = small_model()
    counts = []
    call = model.call
    model.call = lambda inputs, training=None: counts.append(inputs["task"].shape) or call(inputs, training)  # type: ignore[method-assign]
    model.compile(keras.optimizers.SGD(1e-3))
    mixture = TaskMixture(made_examples(model), seed=0)
    model.fit(LabelledBatches(mixture, batch_size=5), epochs=1, verbose=0)
    first = len(counts)
    model.fit(LabelledBatches(mixture, batch_size=5, start_step=mixture.steps(5)), epochs=1, verbose=0)
    if keras.backend.backend() != "torch":  # which compiles nothing
        assert first <= 2 and len(counts) == first


def test_windows_are_read_once_for_all_heads() -> None:
    model = small_model(windows=3)
    long = [" ".join([text] * 4) for text in TEXTS[:6]]
    inputs = model.tasks["mood"].batches(long, shuffle=False).batch(0)[0]
    assert inputs["token_ids"].shape[1] > 16
    outputs = model({name: ops.convert_to_tensor(value) for name, value in inputs.items()})
    for name in ("mood", "stars"):
        wanted = model.tasks[name]({key: ops.convert_to_tensor(value) for key, value in inputs.items()})
        np.testing.assert_allclose(array(outputs[name]), array(wanted), rtol=1e-5, atol=1e-5)
    assert tuple(outputs["words"].shape) == (*inputs["token_ids"].shape, 3)
    model.compile(keras.optimizers.Adam(1e-2))
    data = {name: (long, labels[:6]) for name, (_, labels) in DATA.items() if name != "words"}
    data["words"] = (WORDS[:6], TAGS[:6])
    assert np.isfinite(model.fit(data, batch_size=4, verbose=0).history["loss"][0])


def test_what_does_not_fit_is_refused() -> None:
    encoder = small_encoder(TOKENIZER)
    one = Regressor(encoder, length=16, name="one")
    with pytest.raises(InputError, match="there is no task"):
        MultiTask({})
    with pytest.raises(InputError, match="a task is called 'a-b'"):
        MultiTask({"a-b": one})
    with pytest.raises(InputError, match="different backbones"):
        MultiTask({"a": one, "b": Regressor(small_encoder(TOKENIZER), length=16)})
    with pytest.raises(InputError, match="the tasks read lengths of 8, 16 tokens"):
        MultiTask({"a": one, "b": Regressor(encoder, length=8)})
    with pytest.raises(InputError, match="two of the tasks' models have one name"):
        MultiTask({"a": one, "b": Regressor(encoder, length=16, name="one")})
    with pytest.raises(InputError, match="the loss of 'b' has the weight 1"):
        MultiTask({"a": one}, loss_weights={"b": 1})
    model = MultiTask({"a": one})
    with pytest.raises(InputError, match="own losses and metrics; leave out loss"):
        model.compile("sgd", loss="mse")
    with pytest.raises(InputError, match="data is for a, b; give texts and labels for each of a"):
        model.batches({"a": (TEXTS, STARS), "b": (TEXTS, STARS)})


def test_a_folder_of_one_task_refuses_several() -> None:
    one = Regressor(small_encoder(TOKENIZER), length=16)
    refuse_several(one)
    refuse_several(one.backbone)
    with pytest.raises(InputError) as error:
        refuse_several(MultiTask({"stars": one}))
    wanted = "the model has several tasks, and such a folder has one; give one of them, such as model.tasks['stars']"
    assert str(error.value) == wanted
    with pytest.raises(InputError, match=r"^run has several tasks, and such a folder has one; name it with --task$"):
        refuse_several(MultiTask({"stars": one}), "run", "name it with --task")
