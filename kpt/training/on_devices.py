"""A run on several devices and hosts: all of them do the same, and one of them writes the run folder."""

from __future__ import annotations

import inspect
import shutil
import tempfile
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from kpt.distribution import Devices
from kpt.distribution.lost_hosts import lost_host
from kpt.errors import Terminated
from kpt.training.run_folder import RunFolder

__all__ = ["on_devices"]

Train = Callable[..., dict[str, Any]]


def on_devices(train: Train) -> Train:
    """Give a function that trains into a run folder, its argument `out`, an argument `devices` more.

    It is called in the scope of the devices on every host, and the chief alone writes the run folder. The other hosts
    have to do what the chief does, for its evaluations and samples need them too; so they do it with a run folder of
    their own, which is temporary and, to go on with a run (`resume`), has the checkpoints of the chief's. All hosts
    have to see the chief's folder then. Their results have `host`, the number of the host, and no paths. A host that
    dies ends the others too, see `lost_host`: all have to be started again, with `resume` they go on.

    Args:
        train: the function; returns the results by name.

    Returns:
        The function with the keyword argument `devices`, see `kpt.distribution.choose_devices`; by default it trains on
        one device, or in the scope of its caller.

    Raises:
        InputError: the hosts find checkpoints after different numbers of steps; raised by what is returned.
        ConnectionError: another host is gone; likewise.
    """
    signature = inspect.signature(train)

    @wraps(train)
    def train_on(*args: Any, devices: Devices | None = None, **kwargs: Any) -> dict[str, Any]:
        devices = devices or Devices()
        if devices.host_count == 1:
            with devices.scope():
                return train(*args, **kwargs)
        call = signature.bind(*args, **kwargs)
        try:
            results = train_on_host(train, call, devices)
        except Exception as error:
            if (reason := lost_host(error)) is None:
                raise
            raise ConnectionError(
                f"another host has ended or cannot be reached ({reason}); start all hosts again with the same command "
                "and --resume"
            ) from error
        if devices.chief:
            return results
        paths = ("run", "report", "vectors")
        return {"host": devices.host_index, **{name: value for name, value in results.items() if name not in paths}}

    return train_on


def train_on_host(train: Train, call: inspect.BoundArguments, devices: Devices) -> dict[str, Any]:
    """Call a function on one of several hosts: on the chief as it is, on others with a run folder of their own."""
    out = Path(call.arguments["out"])
    begun = bool(call.arguments.get("resume")) and (out / "config.json").is_file()
    devices.check_agreement("steps of the newest checkpoint", RunFolder(out).step if begun else 0)
    with devices.scope():
        if devices.chief:
            return train(*call.args, **call.kwargs)
        with tempfile.TemporaryDirectory(prefix="kpt-") as own:
            folder = Path(own) / "run"
            if begun:
                shutil.copytree(out, folder, ignore=shutil.ignore_patterns("tensorboard", ".*"))
            call.arguments["out"] = folder
            try:
                return train(*call.args, **call.kwargs)
            except (KeyboardInterrupt, Terminated) as error:  # what it says is kept is in the chief's folder
                raise type(error)(*(str(each).replace(str(folder), str(out)) for each in error.args)) from error
