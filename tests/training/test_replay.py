from __future__ import annotations

from pathlib import Path

import pytest

from kpt.data import TokenStore
from kpt.distribution import Devices
from kpt.errors import InputError
from kpt.training.bert import BertPretraining, BertSettings, pretrain_bert
from kpt.training.gpt import GptPretraining, GptSettings
from kpt.training.metrics_log import read_metrics
from kpt.training.pretraining import pretrain
from kpt.training.replay import replay
from tests.training.small_store import small_store

SMALL = {"size": "tiny", "batch_size": 4, "length": 24, "held_out": 0.2, "evaluation_batches": 2, "seed": 3}
BERT = BertSettings(steps=4, evaluations=2, keep=1, architecture="published", **SMALL)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> TokenStore:
    return small_store(tmp_path_factory.mktemp("data") / "store")


@pytest.fixture(scope="module")
def run(store: TokenStore, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete run, with dropout, of which the checkpoints after 2 and 4 steps are left."""
    out = tmp_path_factory.mktemp("runs") / "run"
    pretrain_bert(store.folder, out, BERT)
    return out


def test_a_replayed_step_is_that_of_the_run(store: TokenStore, run: Path, capfd: pytest.CaptureFixture[str]) -> None:
    before = sorted(path.name for path in run.rglob("*"))
    capfd.readouterr()
    found = replay(BertPretraining(BERT), store.folder, run, 4)
    assert capfd.readouterr().out == ""
    train = {line["step"]: line for line in read_metrics(run / "metrics.jsonl") if line["split"] == "train"}
    assert (found["step"], found["checkpoint"]) == (4, 2)
    for name in ("loss", "gradient_norm", "learning_rate"):
        assert found[name] == pytest.approx(train[4][name], rel=1e-5), name
    assert found["weights_finite"] and len(found["rows"]) == 4
    assert sorted(path.name for path in run.rglob("*")) == before

    tokens, special = store.vocabulary.tokens, set(store.vocabulary.special_ids)
    for row in found["rows"]:
        sentences = [sentence for number in row["documents"] for sentence in store.document(number)]
        there = {token for sentence in sentences for token in sentence.tolist()}
        shown = {tokens.index(piece) for piece in row["text"].split() if piece in tokens} - special
        assert len(row["documents"]) <= 2 and row["loss"] > 0
        assert len(shown & there) >= 0.8 * len(shown) > 0  # a masked token may have become another


def test_a_step_whose_loss_is_no_number(store: TokenStore, tmp_path: Path) -> None:
    task = GptPretraining(GptSettings(steps=6, evaluations=1, learning_rate=1e30, warmup_steps=0, **SMALL))
    with pytest.raises(FloatingPointError, match=r"--replay-step \d shows its batch; start anew") as caught:
        pretrain(task, store.folder, tmp_path / "run")
    found = replay(task, store.folder, tmp_path / "run", int(str(caught.value).split("--replay-step ")[1][0]))
    assert (found["loss"], found["checkpoint"], found["weights_finite"]) == (None, 0, False)
    assert all(row["documents"] for row in found["rows"])


def test_refusals(store: TokenStore, run: Path, tmp_path: Path) -> None:
    task = BertPretraining(BERT)
    with pytest.raises(InputError, match="there is no step 5 to replay; the run has those from 1 to 4"):
        replay(task, store.folder, run, 5)
    with pytest.raises(InputError, match=r"there is no run in .*nothing to replay a step of"):
        replay(task, store.folder, tmp_path / "nothing", 2)
    with pytest.raises(InputError, match="has the training setting seed 3, not 4"):
        other = BertSettings(steps=4, evaluations=2, architecture="published", **SMALL | {"seed": 4})
        replay(BertPretraining(other), store.folder, run, 2)
    with pytest.raises(InputError, match="a step is replayed on one host"):
        replay(task, store.folder, run, 2, Devices(host_count=2))
