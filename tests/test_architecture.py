"""The rules of the source tree: what may import what, where TensorFlow may be named, and how files are laid out."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import kpt

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "kpt"
FILES = sorted(path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*.py"))

# What each package may import directly; what those import comes with them. The modules beside them are open to all.
BELOW: dict[str, set[str]] = {
    "text": set(),
    "layers": set(),
    "recording": set(),
    "vectors": set(),
    "data": {"text"},
    "distribution": {"data"},
    "models": {"layers"},
    "objectives": {"data", "distribution", "layers", "recording"},
    "tasks": {"data", "distribution", "layers", "recording"},
    "generation": {"text", "layers", "models", "recording"},
    "interop": {"text", "layers", "models", "objectives", "tasks"},
    "training": {
        "text",
        "vectors",
        "layers",
        "data",
        "distribution",
        "models",
        "objectives",
        "tasks",
        "generation",
        "interop",
        "evaluation",
    },
    "evaluation": {"text", "vectors", "layers", "data", "models", "objectives", "tasks", "generation", "interop"},
    "serving": set(),
    "export": {"text", "vectors", "layers", "data", "models", "objectives", "tasks", "generation", "interop"},
    "cli": {
        "text",
        "vectors",
        "data",
        "distribution",
        "models",
        "objectives",
        "tasks",
        "generation",
        "interop",
        "training",
        "evaluation",
        "export",
        "serving",
    },
}
ROOT_MODULES = {"__init__", "errors", "files", "lazy", "urls"}

# The only places whose job needs TensorFlow; the last one is a script that runs without kpt.
TENSORFLOW_PLACES = re.compile(
    r"text/\w+_graph\.py|distribution/(devices|hardware|host_values|keras_repairs|lost_hosts|replica_batches|replicas)\.py"
    r"|distribution/strategies\.py|evaluation/input_gradients\.py|objectives/table_rows\.py|generation/compiled\.py|export/|serving/|cli/demo_query\.py"
)
BACKENDS = ("tensorflow", "tensorflow_text", "torch", "jax", "keras", "keras_hub", "keras_nlp")


def allowed_below(package: str) -> set[str]:
    """The packages that one may import, those of its imports included."""
    below = set(BELOW[package])
    for other in BELOW[package]:
        below |= allowed_below(other)
    return below


def imported_modules(file: str) -> set[str]:
    """Every module that a source file names in an import statement, at its top or inside a function."""
    tree = ast.parse((SOURCE / file).read_text(encoding="utf-8"))
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"kpt/{file} has a relative import; write the full name"
            module = node.module or ""
            names |= {f"kpt.{alias.name}" for alias in node.names} if module == "kpt" else {module}
    return names


def package_of(file: str) -> str | None:
    """The package a file lies in; None for the modules beside the packages."""
    return file.split("/")[0] if "/" in file else None


@pytest.mark.parametrize("file", [file for file in FILES if package_of(file)])
def test_imports_go_only_downward(file: str) -> None:
    package = package_of(file)
    assert package in BELOW, f"kpt/{package} is not in the table of packages"
    used = {name.split(".")[1] for name in imported_modules(file) if name.startswith("kpt.")}
    upward = used - {package} - ROOT_MODULES - allowed_below(package)
    assert not upward, f"kpt/{file} imports from {sorted(upward)}, which {package} must not know"


def test_the_modules_beside_the_packages_import_no_package() -> None:
    for file in ("errors.py", "files.py", "urls.py"):
        assert all(not name.startswith("kpt.") or name == "kpt.errors" for name in imported_modules(file)), file


@pytest.mark.parametrize("file", FILES)
def test_tensorflow_is_named_only_where_the_job_needs_it(file: str) -> None:
    named = {name.split(".")[0] for name in imported_modules(file)} & {"tensorflow", "tensorflow_text"}
    assert not named or TENSORFLOW_PLACES.match(file), f"kpt/{file} imports {sorted(named)}"


@pytest.mark.parametrize("file", FILES)
def test_every_source_file_has_its_test(file: str) -> None:
    if file.endswith("__init__.py"):
        return
    mirror = Path(file).with_name(f"test_{Path(file).name}").as_posix()
    assert (ROOT / "tests" / mirror).is_file(), f"kpt/{file} has no tests/{mirror}"


@pytest.mark.parametrize("file", FILES)
def test_no_module_is_a_drawer(file: str) -> None:
    drawers = {"utils", "util", "common", "helpers", "helper", "misc"}
    assert not drawers & set(Path(file).with_suffix("").parts)


@pytest.mark.parametrize("file", FILES)
def test_a_file_stays_readable_in_one_sitting(file: str) -> None:
    lines = (SOURCE / file).read_text(encoding="utf-8").count("\n")
    assert lines <= 330, f"kpt/{file} has {lines} lines; about 300 is the limit"


@pytest.mark.parametrize("file", [file for file in FILES if re.fullmatch(r"\w+/__init__\.py", file)])
def test_packages_name_what_they_export(file: str) -> None:
    tree = ast.parse((SOURCE / file).read_text(encoding="utf-8"))
    imports = any(isinstance(node, ast.ImportFrom) and node.module != "__future__" for node in tree.body)
    targets = {ast.unparse(node.targets[0]) for node in tree.body if isinstance(node, ast.Assign)}
    assert not imports or "__all__" in targets, f"kpt/{file} imports names but has no __all__"


def loaded_by(statement: str) -> set[str]:
    """The top-level modules in memory after a statement, in a process of its own."""
    code = f"import sys\n{statement}\nprint(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "statement",
    ["import kpt", "import kpt.cli.main; kpt.cli.main.build_parser().format_help()"],
    ids=["the package", "the command line"],
)
def test_nothing_heavy_is_loaded_before_it_is_used(statement: str) -> None:
    heavy = {*BACKENDS, "numpy", "tokenizers", "matplotlib", "jinja2", "rich", "tensorboardX"}
    assert not heavy & loaded_by(statement)


def test_text_and_data_load_no_backend() -> None:
    assert not set(BACKENDS) & loaded_by("import kpt.text, kpt.data")


def test_the_public_names_are_there() -> None:
    assert sorted(set(dir(kpt)) & set(kpt.__all__)) == sorted(kpt.__all__)
    for name in kpt.__all__:
        assert getattr(kpt, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = kpt.nothing


def test_the_version_is_the_one_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert kpt.__version__ == project["version"]
