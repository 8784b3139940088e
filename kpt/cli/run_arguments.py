"""The arguments that say what is done with a run folder, or that none is to be made."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from kpt.cli.arguments import add_out_argument, check_out, positive_integer
from kpt.errors import InputError

if TYPE_CHECKING:
    from kpt.distribution import Devices

__all__ = ["add_checkpoint_arguments", "add_replay_argument", "add_run_arguments", "folder_of"]


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `--out`, `--overwrite`, `--resume` and `--dry-run`."""
    add_out_argument(parser, "the run", required=False)
    parser.add_argument("--resume", action="store_true", help="go on with the run in that folder, if it was begun")
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="only tell what the run would take: parameters, memory, operations; needs no --out",
    )


def add_replay_argument(parser: argparse.ArgumentParser) -> None:
    """Add `--replay-step`."""
    parser.add_argument(
        "--replay-step",
        type=positive_integer,
        metavar="N",
        help="do step N of the run in --out once more and show its loss, gradient and texts; nothing is written",
    )


def add_checkpoint_arguments(parser: argparse.ArgumentParser, when: str) -> None:
    """Add `--checkpoint-every` and `--keep`.

    Args:
        parser: of a verb.
        when: what stands behind the number of steps, when there are checkpoints in any case.
    """
    group = parser.add_argument_group("checkpoints", "Ctrl-C and SIGTERM save one too, after the step that runs.")
    group.add_argument("--checkpoint-every", type=positive_integer, metavar="N", help=f"steps between two{when}")
    group.add_argument(
        "--keep", type=positive_integer, default=2, metavar="N", help="newest that stay, with the best (default: 2)"
    )


def folder_of(arguments: argparse.Namespace, devices: Devices) -> dict[str, Any]:
    """Return what is to be done with the run folder, which the chief of several hosts alone writes.

    Raises:
        InputError: it is not named, holds something that is not to be replaced, or cannot be written.
    """
    if arguments.out is None:
        raise InputError("--out is missing; name the folder for the run, or add --dry-run to see what it would take")
    if devices.chief and not arguments.resume:
        check_out(arguments.out, "config.json", overwrite=arguments.overwrite, written_as="kpt-run")
    return {"resume": arguments.resume, "overwrite": arguments.overwrite, "progress": True}
