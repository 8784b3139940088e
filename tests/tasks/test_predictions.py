from __future__ import annotations

from collections.abc import Iterator

import pytest

from kpt import InputError
from kpt.tasks import Classifier
from kpt.tasks.predictions import groups, predictions
from tests.tasks.small_task import TEXTS, small_encoder, small_tokenizer


def test_the_order_is_kept_and_little_is_read_ahead() -> None:
    tokenizer = small_tokenizer()
    model = Classifier(small_encoder(tokenizer), ["neg", "pos"], tokenizer=tokenizer)
    texts = [text * (1 + number % 3) for number, text in enumerate(TEXTS[:11])]
    read: list[str] = []

    def source() -> Iterator[str]:
        for text in texts:
            read.append(text)
            yield text

    told = predictions(model, source(), batch_size=2, group=4)
    first = next(told)
    assert len(read) == 4
    rows = [first, *told]
    wanted = model.tell(texts)
    assert [row["label"] for row in rows] == [row["label"] for row in wanted]
    assert [row["probabilities"]["pos"] for row in rows] == pytest.approx(
        [row["probabilities"]["pos"] for row in wanted], abs=1e-5
    )
    assert list(predictions(model, [])) == []
    with pytest.raises(InputError, match="give 1 or more of each"):
        next(predictions(model, ["a"], group=0))


def test_groups_end_at_their_characters_too() -> None:
    assert list(groups("abcde", 2)) == [["a", "b"], ["c", "d"], ["e"]]
    assert list(groups(["aaa", "b", "c"], 9, characters=3)) == [["aaa"], ["b", "c"]]
    assert list(groups([("a", "bb"), ("c", "d")], 9, characters=3)) == [[("a", "bb")], [("c", "d")]]
