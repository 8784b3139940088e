from __future__ import annotations

import json
from typing import Any

import pytest

from kpt import InputError
from kpt.distribution import Cluster, find_cluster
from kpt.distribution.cluster import expand_nodes


def config(cluster: Any, task: Any = None, **others: str) -> dict[str, str]:
    return {"TF_CONFIG": json.dumps({"cluster": cluster, "task": task or {}}), **others}


TWO = {"worker": ["a:2222", "b:2222"]}


def test_no_cluster() -> None:
    assert find_cluster({}) is None
    assert find_cluster({"TF_CONFIG": "{}"}) is None
    assert find_cluster({"SLURM_STEP_NUM_TASKS": "1", "SLURM_PROCID": "0"}) is None


def test_workers() -> None:
    assert find_cluster(config(TWO, {"type": "worker", "index": 1})) == Cluster(("a:2222", "b:2222"), 1)


def test_a_chief_comes_first() -> None:
    cluster = {"worker": ["b:1", "c:1"], "chief": ["a:1"]}
    assert find_cluster(config(cluster, {"type": "chief", "index": 0})) == Cluster(("a:1", "b:1", "c:1"), 0)
    assert find_cluster(config(cluster, {"type": "worker", "index": 1})) == Cluster(("a:1", "b:1", "c:1"), 2)


def test_kubernetes_and_slurm_number_the_workers() -> None:
    assert find_cluster(config(TWO, JOB_COMPLETION_INDEX="1")) == Cluster(("a:2222", "b:2222"), 1)
    assert find_cluster(config(TWO, {"type": "worker"}, SLURM_PROCID="0")) == Cluster(("a:2222", "b:2222"), 0)


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"TF_CONFIG": "{"}, "TF_CONFIG cannot be read"),
        ({"TF_CONFIG": "[1]"}, "TF_CONFIG cannot be read"),
        ({"TF_CONFIG": '{"cluster": {"worker": 3}}'}, "TF_CONFIG cannot be read"),
        (config(TWO), "does not say which worker this is"),
        (config(TWO, {"index": "one"}), "does not say which worker this is"),
        (config(TWO, {"index": 2}), "says that this is worker 2, and has no address of it"),
        (config(TWO, {"type": "chief", "index": 0}), "says that this is chief 0, and has no address of it"),
        (config({**TWO, "ps": ["c:1"]}, {"index": 0}), "has the job 'ps', which Keras 3 cannot use"),
        (config({"worker": ["a:1", "a:1"]}, {"index": 0}), "has an address twice"),
    ],
)
def test_what_cannot_be(environment: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        find_cluster(environment)


SLURM = {
    "SLURM_JOB_ID": "5003",
    "SLURM_STEP_NUM_TASKS": "5",
    "SLURM_STEP_NODELIST": "gpu[9-10],big",
    "SLURM_STEP_TASKS_PER_NODE": "2(x2),1",
    "SLURM_PROCID": "3",
}


def test_a_step_of_slurm() -> None:
    """In the order of SLURM's own numbers, which is not that of the alphabet."""
    workers = ("gpu9:20048", "gpu9:20049", "gpu10:20048", "gpu10:20049", "big:20048")
    assert find_cluster(SLURM) == Cluster(workers, 3)


@pytest.mark.parametrize(
    "wrong",
    [
        {"SLURM_STEP_NODELIST": "gpu[9-"},
        {"SLURM_STEP_TASKS_PER_NODE": "2"},
        {"SLURM_PROCID": "none"},
        {"SLURM_PROCID": "5"},
    ],
)
def test_variables_of_slurm_that_cannot_be(wrong: dict[str, str]) -> None:
    with pytest.raises(InputError, match="set TF_CONFIG instead"):
        find_cluster({**SLURM, **wrong})


@pytest.mark.parametrize(
    ("nodes", "names"),
    [
        ("one", ["one"]),
        ("a,b", ["a", "b"]),
        ("n[1,3-5]", ["n1", "n3", "n4", "n5"]),
        ("n[098-101]-ib", ["n098-ib", "n099-ib", "n100-ib", "n101-ib"]),
        ("a[1-2],b,c[7]", ["a1", "a2", "b", "c7"]),
    ],
)
def test_expand_nodes(nodes: str, names: list[str]) -> None:
    assert expand_nodes(nodes) == names
