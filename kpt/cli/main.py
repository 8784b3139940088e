"""The entry point of the command line: reads the verb, runs it, and turns what went wrong into one sentence."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any, NoReturn

import kpt
from kpt.cli import demo, evaluate, explain, export, finetune, generate, predict, prepare, pretrain, serve, tokenizer
from kpt.cli.output import Output
from kpt.errors import InputError, Terminated

__all__ = ["build_parser", "main"]

VERBS = (demo, tokenizer, prepare, pretrain, finetune, evaluate, predict, explain, generate, export, serve)

DONE = 0
FAILED = 1
WRONG_INPUT = 2
INTERRUPTED = 130
TERMINATED = 143


class Parser(argparse.ArgumentParser):
    """A parser that states what is wrong in one sentence instead of after a screen of usage."""

    def error(self, message: str) -> NoReturn:
        """Print one sentence to standard error and leave with status 2."""
        message = message.removeprefix("argument ")
        self.exit(WRONG_INPUT, f"{self.prog}: {message}; see {self.prog} --help\n")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Refuse what is not known here, where the options it may have meant are known too."""
        found, left = super().parse_known_args(args, namespace)
        if left:
            # Words beside unknown options may be values of these, or have lost their place by them.
            left = [word for word in left if word.startswith("-")] or left
            meant = {word: get_close_matches(word.partition("=")[0], self._option_string_actions, n=1) for word in left}
            hints = [f"{word} (did you mean {close[0]}?)" if close else word for word, close in meant.items()]
            self.error(f"unrecognized arguments: {' '.join(hints)}")
        return found, left


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb.

    Args:
        argv: the arguments after the program's name; those of the process by default.

    Returns:
        The exit status: 0 done, 1 the work failed, 2 the call or its input is wrong, 130 interrupted (Ctrl-C), 143
            asked to end (SIGTERM).
    """
    try:
        arguments = build_parser().parse_args(argv)
    except SystemExit as leaving:  # argparse leaves on --help, --version and on a wrong call
        return int(leaving.code or 0)
    prog = arguments.prog
    try:
        with Output(as_json=arguments.json) as output:
            output.results(arguments.run(arguments, output))
        return DONE
    except (KeyboardInterrupt, Terminated) as error:
        status = TERMINATED if isinstance(error, Terminated) else INTERRUPTED
        return complain(prog, one_sentence(str(error)) or "interrupted; what was complete by then is kept", status)
    except BrokenPipeError:  # the reader of our output, head for example, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except InputError as error:
        if arguments.traceback:
            traceback.print_exc()
        return complain(prog, one_sentence(str(error)), WRONG_INPUT)
    except Exception as error:
        if arguments.traceback:
            traceback.print_exc()
        return complain(prog, f"failed: {describe(error)}; add --traceback to see where", FAILED)


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of all verbs; this imports nothing that takes time."""
    parser = Parser(
        prog="kpt",
        description="Keras Pre-Training: from raw text to a served model.",
        epilog="Begin with: kpt demo",
    )
    parser.add_argument("--version", action="version", version=f"kpt {kpt.__version__}")
    verbs = parser.add_subparsers(title="verbs", dest="verb", required=True, parser_class=Parser)
    for verb in VERBS:
        added = verb.add_parser(verbs)
        for each in [added] if isinstance(added, argparse.ArgumentParser) else added:
            group = each.add_argument_group("output")
            group.add_argument(
                "--json", action="store_true", help="print the results as one JSON object on standard output"
            )
            each.set_defaults(prog=each.prog)
            group.add_argument("--traceback", action="store_true", help="show where in the code an error came from")
    return parser


def complain(prog: str, sentence: str, status: int) -> int:
    """Print one sentence to standard error; returns the status."""
    print(f"{prog}: {sentence}", file=sys.stderr, flush=True)
    return status


def one_sentence(message: str) -> str:
    """A message on one line."""
    return " ".join(message.split())


def describe(error: BaseException) -> str:
    """What an unexpected error says, in at most a few hundred characters."""
    text = one_sentence(str(error))
    name = type(error).__name__
    if isinstance(error, OSError) and error.strerror:
        text, name = f"{error.strerror}: {error.filename}" if error.filename else error.strerror, ""
    if len(text) > 400:
        text = text[:400].rstrip() + " ..."
    return f"{name}: {text}".strip(": ") if name else text


def run_as_program() -> Any:
    """Leave the process with the exit status of `main`."""
    sys.exit(main())


if __name__ == "__main__":
    run_as_program()
