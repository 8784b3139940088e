from __future__ import annotations

import keras
import numpy as np
import pytest

from kpt import InputError
from kpt.tasks import Regressor
from tests.tasks.small_task import GOOD, TEXTS, small_encoder, small_tokenizer

TOKENIZER = small_tokenizer()


def test_numbers_are_learned() -> None:
    keras.utils.set_random_seed(0)
    scores = [4.0 if text.split()[1] in GOOD else 1.0 for text in TEXTS]
    model = Regressor(small_encoder(TOKENIZER), mean=2.5, deviation=1.5, tokenizer=TOKENIZER, dropout=0.0)
    untrained = model.predict(TEXTS, verbose=0)
    assert untrained.shape == (30,) and np.abs(untrained - 2.5).max() < 1.5
    model.compile(keras.optimizers.Adam(1e-2))
    history = model.fit(TEXTS, scores, batch_size=10, epochs=10, verbose=0).history
    assert history["mean_absolute_error"][-1] < 0.3 * history["mean_absolute_error"][0]
    np.testing.assert_allclose(model.predict(["a good end", "bad"], verbose=0), [4, 1], atol=0.8)
    assert model.tell(["bad"]) == [{"number": pytest.approx(1, abs=0.8)}]


def test_refusals() -> None:
    for mean, deviation in ((np.nan, 1.0), (0.0, 0.0)):
        with pytest.raises(InputError, match="give finite numbers, the deviation above 0"):
            Regressor(small_encoder(TOKENIZER), mean, deviation)
    with pytest.raises(InputError, match="text 1 has 'much', no finite number"):
        Regressor(small_encoder(TOKENIZER)).targets([1.0, "much"])
