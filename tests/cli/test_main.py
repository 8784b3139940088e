from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys

import pytest

import kpt
from kpt import InputError
from kpt.cli import main as command
from kpt.cli import prepare
from kpt.errors import Terminated


def call(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "kpt.cli.main", *words], capture_output=True, text=True, check=False)


def fail_with(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Make `kpt prepare` fail."""

    def run(arguments: argparse.Namespace, output: object) -> dict:
        raise error

    monkeypatch.setattr(prepare, "run", run)


def test_help_names_the_verbs(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--help"]) == 0
    text = capsys.readouterr().out
    verbs = ("demo", "tokenizer", "prepare", "pretrain", "evaluate", "predict", "generate", "export")
    assert all(f"\n    {verb} " in text for verb in verbs)
    models = [["pretrain", model] for model in ("bert", "gpt", "word2vec")]
    models += [["finetune", task] for task in ("classify", "regress")]
    for called in [*([verb] for verb in verbs if verb != "pretrain"), *models]:
        assert command.main([*called, "--help"]) == 0
        words = capsys.readouterr().out
        assert f"usage: kpt {' '.join(called)}" in words
        assert "--json" in words and "--traceback" in words


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--version"]) == 0
    assert capsys.readouterr().out == f"kpt {kpt.__version__}\n"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "kpt: the following arguments are required: verb; see kpt --help"),
        (["prepair"], "kpt: verb: invalid choice: 'prepair' (choose from 'demo', "),
        (
            ["prepare", "a.txt"],
            "kpt prepare: the following arguments are required: --tokenizer, --out; see kpt prepare",
        ),
        (
            ["pretrain", "bert", "--data", "store", "--out", "run", "--steps", "0"],
            "kpt pretrain bert: --steps: '0' is not a whole number from 1 up; see kpt pretrain bert --help",
        ),
        (
            ["prepare", "--tokenizer", "t", "--out", "o", "a.txt", "--worker-s=1", "--zzz"],
            "kpt prepare: unrecognized arguments: --worker-s=1 (did you mean --workers?) --zzz; see kpt prepare",
        ),
        (
            ["tokenizer", "--size", "5", "a.txt", "--out", "t"],
            "kpt tokenizer: unrecognized arguments: --size; see kpt tokenizer --help",
        ),
        (
            ["--jsno", "prepare", "--tokenizer", "t", "--out", "o", "a.txt"],
            "kpt: unrecognized arguments: --jsno; see kpt",
        ),
        (["pretrain", "gpt9", "--steps", "1"], "kpt pretrain: objective: invalid choice: 'gpt9'"),
    ],
)
def test_a_wrong_call_is_one_sentence(words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(sentence)
    assert err.count("\n") == 1


WORDS = ["prepare", "--tokenizer", "t", "--out", "o", "a.txt"]


@pytest.mark.parametrize(
    ("error", "status", "sentence"),
    [
        (InputError("a.txt, line 3\nis wrong; remove it"), 2, "a.txt, line 3 is wrong; remove it"),
        (RuntimeError("it broke"), 1, "failed: RuntimeError: it broke; add --traceback to see where"),
        (OSError(28, "No space left on device", "store/0.bin"), 1, "failed: No space left on device: store/0.bin; add"),
        (MemoryError(), 1, "failed: MemoryError; add"),
        (RuntimeError("x" * 1000), 1, "failed: RuntimeError: " + "x" * 400 + " ...; add"),
        (KeyboardInterrupt(), 130, "interrupted; what was complete by then is kept"),
        (KeyboardInterrupt("interrupted after step 3"), 130, "interrupted after step 3"),
        (Terminated(), 143, "interrupted; what was complete by then is kept"),
        (Terminated("interrupted after step 3"), 143, "interrupted after step 3"),
    ],
)
def test_what_goes_wrong_is_one_sentence(
    error: BaseException,
    status: int,
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    fail_with(monkeypatch, error)
    for words in (WORDS, [*WORDS, "--json"]):
        assert command.main(words) == status
        out, err = capfd.readouterr()
        assert out == ""
        assert err.startswith(f"kpt prepare: {sentence}")
        assert err.count("\n") == 1


def test_a_traceback_on_demand(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    for error, status in ((InputError("wrong"), 2), (RuntimeError("broke"), 1)):
        fail_with(monkeypatch, error)
        assert command.main([*WORDS, "--traceback"]) == status
        err = capfd.readouterr().err
        assert err.startswith("Traceback (most recent call last)")
        assert err.splitlines()[-1].startswith("kpt prepare: ")


def test_results_as_json(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(prepare, "run", lambda arguments, output: {"documents": 3})
    assert command.main([*WORDS, "--json"]) == 0
    assert json.loads(capfd.readouterr().out) == {"documents": 3}


def test_the_process_ends_with_the_status() -> None:
    done = call("prepare", "--tokenizer", "nowhere", "--out", "o", "nothing.txt")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("kpt prepare: ") and done.stderr.count("\n") == 1


def test_a_reader_that_stops_reading_is_no_error() -> None:
    read, write = os.pipe()
    os.close(read)
    code = (
        "import sys; from kpt.cli import main, prepare\n"
        "prepare.run = lambda arguments, output: {'documents': 1}; sys.exit(main.main(sys.argv[1:]))"
    )
    with subprocess.Popen([sys.executable, "-c", code, *WORDS], stdout=write, stderr=subprocess.PIPE) as process:
        os.close(write)
        assert process.stderr is not None
        assert process.stderr.read() == b""
    assert process.returncode == 1


def test_an_interrupt_is_one_sentence() -> None:
    code = (
        "import signal, sys, time; from kpt.cli import main, prepare\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a shell's background jobs ignore it
        "def run(arguments, output):\n    print('ready', file=sys.stderr, flush=True)\n    time.sleep(60)\n"
        "prepare.run = run; sys.exit(main.main(sys.argv[1:]))"
    )
    with subprocess.Popen([sys.executable, "-c", code, *WORDS], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        assert process.stderr.read() == "kpt prepare: interrupted; what was complete by then is kept\n"
    assert process.returncode == 130
