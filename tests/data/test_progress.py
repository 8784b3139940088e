from __future__ import annotations

import io
import sys

import pytest

from kpt.data.progress import OpenProgress, PrepareProgress, RecordProgress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def show(setting: bool | None, total: int | None, interval: float = 0.0) -> None:
    with PrepareProgress(setting, total, interval=interval) as progress:
        progress.update(1_000_000, 1200, 250_000)
        progress.update(2_000_000, 2400, 500_000)


def test_lines_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    show(True, 4_000_000)
    out, err = capsys.readouterr()
    assert out == ""
    first, second = err.splitlines()
    assert first.startswith("prepare: 1.0 MB (25 %), 1,200 documents, 250,000 tokens, ") and first.endswith(" MB/s")
    assert second.startswith("prepare: 2.0 MB (50 %), 2,400 documents, 500,000 tokens, ")


def test_no_share_where_the_size_is_unknown(capsys: pytest.CaptureFixture[str]) -> None:
    show(True, None)
    assert capsys.readouterr().err.startswith("prepare: 1.0 MB, 1,200 documents")


@pytest.mark.parametrize(("setting", "interval"), [(False, 0.0), (None, 0.0), (True, 1000.0)])
def test_silence(capsys: pytest.CaptureFixture[str], setting: bool | None, interval: float) -> None:
    show(setting, 4_000_000, interval)
    assert capsys.readouterr() == ("", "")


def test_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    show(None, 4_000_000)
    assert "Preparing" in terminal.getvalue() and "2,400 documents" in terminal.getvalue()
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    show(False, 4_000_000)
    assert terminal.getvalue() == ""


def test_records_are_counted(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with RecordProgress(True, 8_000, interval=0.0) as progress:
        progress.update(2_000)
    err = capsys.readouterr().err
    assert err.startswith("prepare: 2,000 records (25 %), ") and err.endswith(" records/s\n")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with RecordProgress(None, 8_000) as progress:
        progress.update(2_000)
    assert "Writing records" in terminal.getvalue() and "2000/8000" in terminal.getvalue()


def test_bytes_of_records_are_counted(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with OpenProgress(True, 8_000_000, interval=0.0) as progress:
        progress.update(1_000_000, 500_000)
    err = capsys.readouterr().err
    assert err.startswith("records: 1.5 MB (19 %) read, ") and err.endswith(" MB/s\n")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with OpenProgress(None, 8_000_000) as progress:
        progress.update(2_000_000)
    assert "Reading records" in terminal.getvalue() and "2.0/8.0 MB" in terminal.getvalue()
