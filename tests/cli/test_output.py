from __future__ import annotations

import json
import os

import pytest

from kpt.cli.output import Output, readable


def test_results_are_aligned(capsys: pytest.CaptureFixture[str]) -> None:
    with Output() as output:
        output.results({"steps": 3000, "mlm_accuracy": 0.123456})
    assert capsys.readouterr().out == "steps         3,000\nmlm_accuracy  0.1235\n"


def test_what_is_long_or_deep_goes_below_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    scores = {f"score_{number}": 0.5 for number in range(9)}
    with Output() as output:
        output.results({"test": {"texts": 40, "scores": scores}, "short": {"a": 1}, "confusion": [[26, 0], [14, 0]]})
    assert capsys.readouterr().out.splitlines() == [
        *("test", "  texts   40", "  scores", *(f"    score_{number}  0.5" for number in range(9))),
        *("short      a 1", "confusion", "  26, 0", "  14, 0"),
    ]


def test_words_go_to_standard_output_without_json(capfd: pytest.CaptureFixture[str]) -> None:
    with Output() as output:
        output.heading("First")
        output.line("[1] done")
    assert capfd.readouterr() == ("\nFirst\n[1] done\n", "")


def test_with_json_nothing_else_is_on_standard_output(capfd: pytest.CaptureFixture[str]) -> None:
    with Output(as_json=True) as output:
        output.heading("First")
        print("a library's print")
        os.write(1, b"a library's C++\n")
        output.results({"steps": 3, "problems": {"nul": 1}, "text": "ü"})
    out, err = capfd.readouterr()
    assert json.loads(out) == {"steps": 3, "problems": {"nul": 1}, "text": "ü"}
    assert out.count("\n") == 1
    for words in ("First", "a library's print", "a library's C++"):
        assert words in err


def test_standard_output_comes_back_after_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RuntimeError), Output(as_json=True):
        raise RuntimeError
    print("here again")
    assert capfd.readouterr().out == "here again\n"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (True, "yes"),
        (None, "none"),
        (1234567, "1,234,567"),
        (1234.5, "1,234"),
        (0.00012346, "0.0001235"),
        (float("inf"), "inf"),
        ({"nul": 2, "empty": 1}, "nul 2, empty 1"),
        ({}, "none"),
        (["a", 1], "a, 1"),
        ("text", "text"),
    ],
)
def test_readable(value: object, words: str) -> None:
    assert readable(value) == words
