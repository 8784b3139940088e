"""Which hosts train together, and which of them this process is: from TF_CONFIG or from SLURM."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from kpt.errors import InputError

__all__ = ["Cluster", "expand_nodes", "find_cluster"]

# A step's ports on a node: jobs with numbers in a row, of up to 16 processes a node, do not meet.
_FIRST_PORT, _JOBS, _PORTS = 20_000, 2_500, 16


class Cluster(NamedTuple):
    """Processes that train together.

    Attributes:
        workers: their addresses, `host:port`; the first is the chief, which writes.
        number: which of them this process is, from 0.
    """

    workers: tuple[str, ...]
    number: int


def find_cluster(environment: Mapping[str, str] | None = None) -> Cluster | None:
    """Return the cluster that the environment of this process describes.

    - `TF_CONFIG`, as TensorFlow has it and Kubeflow and other launchers set it, with the jobs `chief` and `worker`:
      `{"cluster": {"worker": ["a:2222", "b:2222"]}, "task": {"type": "worker", "index": 0}}`. Where it has no index of
      the task, that is `JOB_COMPLETION_INDEX`, which Kubernetes sets in each pod of an indexed job, or `SLURM_PROCID`.
    - else SLURM's variables of a step of several tasks (`srun`).

    Args:
        environment: by default that of the process.

    Returns:
        The cluster; None where there is none.

    Raises:
        InputError: the environment describes one that cannot be.

    Example:
        >>> find_cluster({"TF_CONFIG": '{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"index": 1}}'})
        Cluster(workers=('a:1', 'b:1'), number=1)
    """
    environment = os.environ if environment is None else environment
    if config := environment.get("TF_CONFIG"):
        return _of_config(config, environment)
    if int(environment.get("SLURM_STEP_NUM_TASKS", 1)) > 1 and "SLURM_PROCID" in environment:
        return _of_slurm(environment)
    return None


def _of_config(text: str, environment: Mapping[str, str]) -> Cluster | None:
    try:
        config: Any = json.loads(text)
        jobs = {str(job): [str(each) for each in addresses] for job, addresses in config.get("cluster", {}).items()}
        task = config.get("task", {})
        kind, index = str(task.get("type", "worker")), task.get("index")
    except (ValueError, AttributeError, TypeError) as error:
        raise InputError(f"TF_CONFIG cannot be read ({error}); give JSON with the keys cluster and task") from error
    if not jobs:
        return None
    if others := sorted(jobs.keys() - {"chief", "worker"}):
        raise InputError(f"TF_CONFIG has the job {others[0]!r}, which Keras 3 cannot use; give chief and worker alone")
    if index is None:
        index = environment.get("JOB_COMPLETION_INDEX", environment.get("SLURM_PROCID"))
    try:
        number = int(index)
    except (TypeError, ValueError):
        raise InputError("TF_CONFIG does not say which worker this is; add the index of its task") from None
    if kind not in jobs or not 0 <= number < len(jobs[kind]):
        raise InputError(
            f"TF_CONFIG says that this is {kind} {number}, and has no address of it; add it to its cluster"
        )
    chiefs = jobs.get("chief", [])
    workers = (*chiefs, *jobs.get("worker", ()))
    if len(set(workers)) < len(workers):
        raise InputError("TF_CONFIG has an address twice; give each worker its own, host and port")
    return Cluster(workers, number if kind == "chief" else len(chiefs) + number)


def _of_slurm(environment: Mapping[str, str]) -> Cluster:
    try:
        nodes = expand_nodes(environment["SLURM_STEP_NODELIST"])
        counts: list[int] = []
        for tasks, _, times in re.findall(r"(\d+)(\(x(\d+)\))?", environment["SLURM_STEP_TASKS_PER_NODE"]):
            counts += [int(tasks)] * int(times or 1)
        index = int(environment["SLURM_PROCID"])
        first = _FIRST_PORT + int(environment.get("SLURM_JOB_ID", 0)) % _JOBS * _PORTS
        workers = [f"{node}:{first + task}" for node, tasks in zip(nodes, counts, strict=True) for task in range(tasks)]
    except (LookupError, TypeError, ValueError) as error:
        raise InputError(f"SLURM's variables of the step cannot be read ({error}); set TF_CONFIG instead") from error
    if not 0 <= index < len(workers):
        raise InputError(f"SLURM_PROCID is {index} of {len(workers)} tasks; set TF_CONFIG instead")
    return Cluster(tuple(workers), index)


def expand_nodes(nodes: str) -> list[str]:
    """Return the names of the nodes in a list as SLURM abbreviates it.

    Raises:
        ValueError: it is no such list.

    Example:
        >>> expand_nodes("gpu[08-10,12],login")
        ['gpu08', 'gpu09', 'gpu10', 'gpu12', 'login']
    """
    names = []
    if not re.fullmatch(r"([^\[\],]*(\[[\d,-]+\])?[^\[\],]*)(,[^\[\],]*(\[[\d,-]+\])?[^\[\],]*)*", nodes):
        raise ValueError(f"{nodes!r} is no list of nodes")
    for part in re.split(r",(?![^\[]*\])", nodes):
        before, bracket, rest = part.partition("[")
        inside, _, after = rest.partition("]")
        for numbers in inside.split(",") if bracket else [""]:
            first, dash, last = numbers.partition("-")
            if dash:
                names += [f"{before}{number:0{len(first)}}{after}" for number in range(int(first), int(last) + 1)]
            else:
                names.append(f"{before}{first}{after}")
    return names
