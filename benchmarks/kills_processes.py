"""Processes of a run that are killed at a moment: one by itself, or one of several that train together."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import multiprocessing.connection
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["KINDS", "LOST", "Ended", "Moment", "run_processes"]

KINDS = ("step", "evaluation", "checkpoint")
#: Exit status of a worker that said that another one is gone.
LOST = 75
#: Seconds within which a worker has to end after another one did.
LIMIT = 300


class Moment(NamedTuple):
    """When a process is killed: so many seconds after the n-th step, evaluated batch or checkpoint begins in it.

    With 0 seconds it happens then and there, in a checkpoint after a half of a file.
    """

    kind: str
    count: int
    seconds: float = 0.0

    @classmethod
    def read(cls, text: str) -> Moment:
        """Read `step:3` or `checkpoint:2:0.05`."""
        kind, count, *seconds = text.split(":")
        if kind not in KINDS:
            raise argparse.ArgumentTypeError(f"{kind!r} is none of {', '.join(KINDS)}")
        return cls(kind, int(count), float(seconds[0]) if seconds else 0.0)


class Ended(NamedTuple):
    """How a process ended: its exit status, that of a signal below 0, and the seconds from the beginning to it."""

    status: int
    seconds: float


def train(
    model: str, data: Path, out: Path, settings: dict[str, Any], moment: Moment | None, number: int, devices: Any = None
) -> None:
    """Begin a run or go on with it, and be killed by a signal at a moment: what a process of its own does."""
    import keras

    from kpt.training import run_folder

    left = moment.count if moment else 0

    def kill() -> None:
        os.kill(os.getpid(), number)

    def begins(kind: str) -> bool:
        """Count; whether it is to happen here and now."""
        nonlocal left
        if moment is None or kind != moment.kind:
            return False
        left -= 1
        if left == 0 and moment.seconds:
            threading.Timer(moment.seconds, kill).start()
        return left == 0 and not moment.seconds

    class Kill(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            if begins("step"):
                kill()

        def on_test_batch_begin(self, batch: int, logs: Any = None) -> None:
            if begins("evaluation"):
                kill()

    write = run_folder.write_files

    def write_and_die(folder: Path, *rest: Any) -> None:
        if begins("checkpoint"):
            (folder / "model.keras").write_bytes(b"PK half of a file")
            kill()
        write(folder, *rest)

    run_folder.write_files = write_and_die
    options: dict[str, Any] = {"resume": True, "callbacks": [Kill()], "devices": devices}
    if model == "word2vec":
        from kpt.training.word2vec import Word2VecSettings, pretrain_word2vec

        pretrain_word2vec(data, out, Word2VecSettings(**settings), **options)
    elif model == "gpt":
        from kpt.training.gpt import GptSettings, pretrain_gpt

        pretrain_gpt(data, out, GptSettings(**settings), **options)
    else:
        from kpt.training.bert import BertSettings, pretrain_bert

        pretrain_bert(data, out, BertSettings(**settings), **options)


def work(index: int, addresses: list[str], *arguments: Any) -> None:
    """Call `train` as one of several workers; one that is left by another says so, and ends with the status `LOST`."""
    task = {"type": "worker", "index": index}
    os.environ["TF_CONFIG"] = json.dumps({"cluster": {"worker": addresses}, "task": task})
    from kpt.distribution import choose_devices

    try:
        train(*arguments, choose_devices("multi_worker"))
    except ConnectionError as error:
        print(f"worker {index}: {error}", file=sys.stderr, flush=True)
        sys.exit(LOST)


def run_processes(
    model: str,
    data: Path,
    out: Path,
    settings: dict[str, Any],
    moment: Moment | None = None,
    number: int = signal.SIGKILL,
    workers: int = 1,
    victim: int = 0,
) -> list[Ended]:
    """Begin a run or go on with it in processes of their own.

    Args:
        model: bert, gpt or word2vec.
        data: the token store.
        out: the run folder.
        settings: of the run.
        moment: when a process is killed.
        number: the signal.
        workers: processes that train together, by `MultiWorkerMirroredStrategy` if there are several.
        victim: which of them is killed.

    Returns:
        How each ended.

    Raises:
        RuntimeError: a worker still ran long after another one had ended.
    """
    begin = time.perf_counter()
    if workers == 1:  # it need not import Keras again
        context: Any = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["kpt.training.bert", "kpt.training.gpt", "kpt.training.word2vec"])
        processes = [context.Process(target=train, args=(model, data, out, settings, moment, number))]
    else:
        context, addresses = multiprocessing.get_context("spawn"), free_addresses(workers)
        moments = [moment if index == victim else None for index in range(workers)]
        processes = [
            context.Process(target=work, args=(index, addresses, model, data, out, settings, moments[index], number))
            for index in range(workers)
        ]
    for process in processes:
        process.start()
    ended: dict[int, Ended] = {}
    while len(ended) < workers:
        running = {process.sentinel: index for index, process in enumerate(processes) if index not in ended}
        ready = multiprocessing.connection.wait(list(running), LIMIT if ended else None)
        if not ready:
            for process in processes:
                process.kill()
            raise RuntimeError(f"workers {sorted(running.values())} still ran {LIMIT} s after another one had ended")
        for sentinel in ready:
            process = processes[running[sentinel]]
            process.join()
            ended[running[sentinel]] = Ended(process.exitcode or 0, round(time.perf_counter() - begin, 1))
    return [ended[index] for index in range(workers)]


def free_addresses(count: int) -> list[str]:
    """Return addresses on this machine at which nobody listens."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    addresses = [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    for each in sockets:
        each.close()
    return addresses
