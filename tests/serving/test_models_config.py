from __future__ import annotations

from pathlib import Path

import pytest

from kpt.errors import InputError
from kpt.serving.models_config import (
    ModelSettings,
    check_inside,
    find_models,
    left_out,
    read_models_config,
    versions_in,
)

TWO = """
model_config_list {
  config { name: "bert" base_path: "/models/bert" model_platform: "tensorflow" }
  config {
    name: "words"
    base_path: "vectors/words"
    model_version_policy { specific { versions: 3 versions: 5 } }
    version_labels { key: "stable" value: 3 }
  }
  config { name: "all" base_path: "/models/bert" model_version_policy { all {} } }
  config { name: "two" base_path: "/models/bert" model_version_policy { latest { num_versions: 2 } } }
}
"""


def write(root: Path, text: str) -> Path:
    path = root / "models.config"
    path.write_text(text, encoding="utf-8")
    return path


def test_versions_are_positive_integers(tmp_path: Path) -> None:
    for name in ("1", "12", "0", "007", "-3", ".4.abc.partial", "five", "99999999999999999999"):
        (tmp_path / name).mkdir()
    (tmp_path / "2").write_text("a file")
    assert versions_in(tmp_path) == [1, 12]
    assert versions_in(tmp_path / "nothing") == []


def test_a_folder_of_versions_has_its_own_name_however_it_is_reached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bert" / "1").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "bert" / "1")
    assert [model.name for model in find_models(Path(".."))] == ["bert"]


def test_the_policies_of_versions() -> None:
    there = [1, 3, 5, 7]
    assert ModelSettings("m", Path("m")).wanted(there) == [7]
    assert ModelSettings("m", Path("m"), latest=2).wanted(there) == [7, 5]
    assert ModelSettings("m", Path("m"), latest=0).wanted(there) == [7, 5, 3, 1]
    assert ModelSettings("m", Path("m"), specific=(3, 4)).wanted(there) == [3]
    assert ModelSettings("m", Path("m")).wanted([]) == []


def test_the_file_of_tensorflow_serving(tmp_path: Path) -> None:
    bert, words, everything, two = read_models_config(write(tmp_path, TWO), tmp_path)
    assert bert == ModelSettings("bert", tmp_path / "bert")
    assert words == ModelSettings(
        "words", tmp_path / "vectors" / "words", latest=0, specific=(3, 5), labels={"stable": 3}
    )
    assert (everything.latest, two.latest) == (0, 2)


def test_the_file_of_the_repository_is_read() -> None:
    folder = Path(__file__).parent.parent.parent / "saved_models"
    assert read_models_config(folder / "models.config", folder) == [ModelSettings("bert", folder / "bert")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model_config_list { config { nme: 'x' } }", "is no models.config of TensorFlow Serving: 1:30"),
        ("", "has no model_config_list with a config in it"),
        ("model_config_list { config { name: 'x' } }", "has a model without a name or a base_path"),
        (
            "model_config_list { config { name: 'x' base_path: 'x' } config { name: 'x' base_path: 'y' } }",
            "has two models with the name 'x'",
        ),
        ("model_config_list { config { name: 'x' base_path: '/etc' } }", "outside the served folder"),
        ("model_config_list { config { name: 'x' base_path: '/models/../etc' } }", "outside the served folder"),
        ("model_config_list { config { name: 'x' base_path: '../other' } }", "outside the served folder"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_models_config(write(tmp_path, text), tmp_path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        find_models(tmp_path, tmp_path / "other.config")


def test_models_are_found_without_a_file(tmp_path: Path) -> None:
    (tmp_path / "bert" / "1").mkdir(parents=True)
    (tmp_path / "gpt" / "2").mkdir(parents=True)
    (tmp_path / "notes").mkdir()
    assert [model.name for model in find_models(tmp_path)] == ["bert", "gpt"]
    assert find_models(tmp_path / "bert") == [ModelSettings("bert", tmp_path / "bert")]
    write(tmp_path, TWO)
    assert [model.name for model in find_models(tmp_path)] == ["bert", "words", "all", "two"]
    with pytest.raises(InputError, match=r"has no model: neither models\.config nor a folder with a version"):
        find_models(tmp_path / "notes")
    with pytest.raises(InputError, match="there is no folder"):
        find_models(tmp_path / "nowhere")


def test_folders_that_the_file_leaves_out_are_found(tmp_path: Path) -> None:
    for folder in ("bert/1", "reviews/2", "words/1", "empty", ".partial/notes"):
        (tmp_path / folder).mkdir(parents=True)
    models = read_models_config(
        write(tmp_path, 'model_config_list { config { name: "a" base_path: "/models/bert" } }'), tmp_path
    )
    assert left_out(tmp_path, models) == ["reviews", "words"]
    assert left_out(tmp_path / "bert", find_models(tmp_path / "bert")) == []


def test_links_do_not_lead_out(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    (outside / "1").mkdir(parents=True)
    (root / "real" / "1").mkdir(parents=True)
    (root / "inner").symlink_to(root / "real")
    check_inside(root, root / "inner")
    (root / "linked").symlink_to(outside)
    with pytest.raises(PermissionError, match="outside the served folder"):
        check_inside(root, root / "linked")
    with pytest.raises(PermissionError, match="outside the served folder"):
        find_models(root)
    (outside / "weights").write_text("secret")
    (root / "real" / "1" / "variables").symlink_to(outside / "weights")
    with pytest.raises(PermissionError, match="variables leads to"):
        check_inside(root, root / "real" / "1")
