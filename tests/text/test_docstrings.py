from __future__ import annotations

import pickle
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from kpt import InputError
from kpt.text import DocumentationCorpus, documentation
from kpt.text.docstrings import _REQUIRED, default_packages, read_docstrings

SOURCE = b'''
"""The module says what it is for."""
import os

class Reader:
    """Reads things."""

    name = "x"
    """No docstring."""

    async def read(self):
        """Read
        a thing.
        """
        def inner():
            "What is inside."

try:
    import that
except ImportError:
    def fallback(): "What to do without."
else:
    with that: 
        def managed(): "What that manages."

def silent(): return b"bytes"
'''


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two distributions, of which the first requires the second, on the path of this process."""
    files = {
        "first/__init__.py": '"""The first package does the first thing."""\n',
        "first/b.py": 'def f():\n    """Do the\n      second thing of them all."""\n\ndef g(): "Too short."\n',
        "first/a.py": (
            'def f(): "A \\ud83d docstring with half a pair."\n\ndef g(): "The first package does the first thing."\n'
        ),
        "first/broken.py": "def f(:\n",
        "first/test_a.py": '"""Tests are left out of the corpus."""\n',
        "first/tests/helper.py": '"""Tests are left out of the corpus."""\n',
        "first/_vendor/other.py": '"""Copies of others are left out too."""\n',
        "second_module.py": '"""The second package is a single module."""\n',
    }
    requires = (
        "Requires-Dist: Second_Package>=1\nRequires-Dist: third; extra == 'all'\nRequires-Dist: gone; os_name == 'x'\n"
    )
    for name, extra, prefix in (("first-package", requires, "first/"), ("second-package", "", "second")):
        information = tmp_path / f"{name.replace('-', '_')}-1.0.dist-info"
        information.mkdir()
        (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{extra}")
        (information / "RECORD").write_text("".join(f"{file},,\n" for file in files if file.startswith(prefix)))
    for file, content in files.items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(content)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_docstrings_of_a_source_file() -> None:
    assert list(read_docstrings(SOURCE, "m")) == [
        ("m", 1, "The module says what it is for."),
        ("m.Reader", 5, "Reads things."),
        ("m.Reader.read", 11, "Read\n        a thing.\n        "),
        ("m.Reader.read.inner", 15, "What is inside."),
        ("m.fallback", 21, "What to do without."),
        ("m.managed", 24, "What that manages."),
    ]


def test_documents_of_packages(installed: Path) -> None:
    corpus = documentation(["first-package", "second-package"])
    assert corpus.size_bytes is None
    assert [(one.id, one.label, one.text, one.position) for one in corpus] == [
        ("first", "first", "The first package does the first thing.", 1),
        ("first.a.f", "first", "A \ufffd docstring with half a pair.", 1),
        ("first.b.f", "first", "Do the\nsecond thing of them all.", 1),
        ("second_module", "second_module", "The second package is a single module.", 1),
    ]
    assert corpus.problems == {"duplicate": 1, "short": 1, "unparsable": 1}
    assert corpus.bytes_read == corpus.size_bytes == 142
    assert next(iter(corpus)).source == str(installed / "first/__init__.py")


def test_required_packages_are_found_through_others(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = metadata.distribution("first-package")
    found = metadata.distribution
    monkeypatch.setattr(metadata, "distribution", lambda name: own if name == "kpt" else found(name))
    assert default_packages() == ("python", "second-package")


def test_without_an_installed_kpt_its_requirements_are_known() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    names = {re.split(r"[^A-Za-z0-9._-]", requirement)[0].lower() for requirement in project["dependencies"]}
    assert set(_REQUIRED) == names


def test_nothing_optional_is_in_the_default() -> None:
    packages = default_packages()
    assert packages[0] == "python"
    assert {"keras", "numpy"} <= set(packages)
    assert not {"torch", "jax", "transformers", "pytest"} & set(packages)


def test_the_standard_library() -> None:
    corpus = documentation(["python"])
    documents = list(corpus)
    texts = {one.id: one.text for one in documents}
    assert texts["json.dumps"].startswith("Serialize ``obj`` to a JSON formatted ``str``.")
    assert {one.label for one in documents} == {"python"}
    assert len({one.text for one in documents}) == len(documents) == len(corpus) > 5000
    assert min(len(one.text.split()) for one in documents) == 5
    assert not [one.source for one in documents if re.search(r"/(tests?|site-packages)/", str(one.source))]
    assert sum(len(one.text.split()) for one in documents) > 200_000

    shards = [pickle.loads(pickle.dumps(corpus.shard(index, 3))) for index in range(3)]
    assert [one for shard in shards for one in shard] == documents
    assert [one.text for one in documents[:100]] == list(corpus.texts())[:100]
    with pytest.raises(InputError, match="shard 3 of 3 does not exist"):
        corpus.shard(3, 3)


def test_nothing_is_imported() -> None:
    code = (
        "import sys; from kpt.text import documentation; list(documentation(['numpy'])); print('numpy' in sys.modules)"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert done.stdout == "False\n"


def test_wrong_packages(installed: Path) -> None:
    with pytest.raises(InputError, match="package 'no-such-package' is not installed; install it or leave it out"):
        documentation(["no-such-package"])
    with pytest.raises(InputError, match="give a list: \\['numpy'\\]"):
        DocumentationCorpus("numpy")
    for path in installed.glob("second*.py"):
        path.unlink()
    with pytest.raises(InputError, match="no docstring was found in second-package; name other packages"):
        list(documentation(["second-package"]))
