"""The examples of several devices and hosts, tiny, on processors that stand in for these."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kpt.training import RunFolder
from tests.distribution.processes import ROOT, run_together
from tests.training.small_store import small_store

EXAMPLES = ROOT / "examples"
LOSS = re.compile(r"loss (\d\.\d+) after 4 steps")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a token store, in which the examples run."""
    folder = tmp_path_factory.mktemp("devices")
    small_store(folder / "runs" / "store")
    return folder


def test_several_gpus(folder: Path) -> None:
    script, words = str(EXAMPLES / "11_several_gpus.py"), "--size tiny --length 16 --rows 4 --steps 2"
    (output,) = run_together([script, *words.split()], folder=folder)
    assert output.startswith("1 replicas, batches of 4 sequences")
    assert RunFolder(folder / "runs" / "gpus").step == 2


def test_several_hosts(folder: Path) -> None:
    script = str(EXAMPLES / "12_several_hosts.py")
    words = [script, *["--size", "tiny", "--length", "16", "--batch-size", "4", "--steps", "4"]]
    outputs = [output.splitlines()[-1] for output in run_together(words, count=2, folder=folder)]
    assert [output[:11] for output in outputs] == ["host 0 of 2", "host 1 of 2"]
    assert len({found[1] for output in outputs if (found := LOSS.search(output))}) == 1, outputs
    assert RunFolder(folder / "runs" / "hosts").step == 4


def test_a_tpu_with_the_processor_in_its_place(folder: Path) -> None:
    script = str(EXAMPLES / "13_tpu.py")
    words = "--size tiny --length 16 --batch-size 4 --steps 4 --together 2 --without-tpu"
    (output,) = run_together([script, *words.split()], folder=folder)
    assert LOSS.search(output)
    assert (folder / "runs" / "tpu.keras").is_file()


def test_meshes_of_one_host_and_of_two(folder: Path) -> None:
    script = str(EXAMPLES / "14_jax_mesh.py")
    words = [script, *["--size", "tiny", "--length", "16", "--batch-size", "4", "--steps", "4"]]
    (one,) = run_together([*words, "--mesh", "2x2", "--out", "runs/one"], backend="jax", devices=4, folder=folder)
    assert "a kernel of (128, 512), on each device (128, 256)" in one
    both = run_together(words, count=2, backend="jax", devices=2, folder=folder)
    found = [match[1] for output in (one, *both) if (match := LOSS.search(output))]
    assert len(found) == 3 and found[1] == found[2]
    assert float(found[0]) == pytest.approx(float(found[1]), abs=1e-4)
    assert RunFolder(folder / "runs" / "mesh").step == RunFolder(folder / "runs" / "one").step == 4
