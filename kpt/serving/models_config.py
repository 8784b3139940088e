"""Which models a server serves: those of TensorFlow Serving's `models.config`, or the folders it finds.

Nothing outside the server's folder is read: neither a path in the file nor a symbolic link leads out of it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from kpt.errors import InputError

__all__ = ["ModelSettings", "check_inside", "find_models", "left_out", "read_models_config", "versions_in"]

#: Where the stock image has the folder that this server is given.
IMAGE_FOLDER = PurePosixPath("/models")
CONFIG = "models.config"


@dataclass(frozen=True)
class ModelSettings:
    """One model of a server.

    Args:
        name: what clients call it.
        folder: holds its versions.
        latest: how many of the highest versions are served; 0 serves all of them.
        specific: these versions alone, if there are any.
        labels: versions by their labels.
    """

    name: str
    folder: Path
    latest: int = 1
    specific: tuple[int, ...] = ()
    labels: Mapping[str, int] = field(default_factory=dict)

    def wanted(self, versions: Sequence[int]) -> list[int]:
        """Return which of the versions that are there to serve, the highest first.

        Example:
            >>> ModelSettings("bert", Path("bert"), latest=2).wanted([1, 4, 3])
            [4, 3]
        """
        if self.specific:
            return sorted(set(self.specific) & set(versions), reverse=True)
        ordered = sorted(versions, reverse=True)
        return ordered[: self.latest] if self.latest else ordered


def versions_in(folder: Path) -> list[int]:
    """Return the versions in a model's folder; a name that is no positive integer is none."""
    if not folder.is_dir():
        return []
    names = [entry.name for entry in folder.iterdir() if re.fullmatch(r"0*[1-9][0-9]{0,17}", entry.name)]
    return sorted(int(name) for name in names if name == str(int(name)) and (folder / name).is_dir())


def find_models(root: Path, config: Path | None = None) -> list[ModelSettings]:
    """Return the models of a folder: those of its `models.config`, else each folder in it that has versions.

    A folder that has versions itself is one model.

    Args:
        root: the folder.
        config: another file than its `models.config`.

    Raises:
        InputError: there is no such folder, there are no models, or the file is wrong.
    """
    if not root.is_dir():
        raise InputError(
            f"there is no folder {root}; give the folder that models were exported to, such as saved_models"
        )
    if versions_in(root) and config is None:
        return [ModelSettings(Path(os.path.abspath(root)).name, root)]
    if config is not None or (root / CONFIG).is_file():
        return read_models_config(root / CONFIG if config is None else config, root)
    found = [
        ModelSettings(entry.name, entry) for entry in sorted(root.iterdir()) if entry.is_dir() and versions_in(entry)
    ]
    for model in found:
        check_inside(root, model.folder)
    if not found:
        raise InputError(
            f"{root} has no model: neither {CONFIG} nor a folder with a version in it; export one with kpt export"
        )
    return found


def left_out(root: Path, models: Sequence[ModelSettings]) -> list[str]:
    """Return the names of the folders in a server's folder that have versions and belong to none of its models."""
    if versions_in(root):
        return []
    served = {os.path.realpath(model.folder) for model in models}
    return sorted(
        entry.name
        for entry in root.iterdir()
        if not entry.is_symlink() and versions_in(entry) and os.path.realpath(entry) not in served
    )


def read_models_config(path: Path, root: Path) -> list[ModelSettings]:
    """Read a `ModelServerConfig` in the text format, the file that TensorFlow Serving's --model_config_file names.

    A `base_path` is a path in the server's folder. One that begins with /models, where the stock image has that folder,
    is taken from there on, so that one file serves both.

    Args:
        path: the file.
        root: the server's folder.

    Raises:
        InputError: the file is missing or wrong, or a path leads out of the folder.
    """
    from google.protobuf import text_format
    from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

    try:
        config = text_format.Parse(path.read_text(encoding="utf-8"), ModelServerConfig())
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror}); give a file as TensorFlow Serving takes it"
        ) from error
    except (text_format.ParseError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is no models.config of TensorFlow Serving: {error}") from error
    if config.WhichOneof("config") != "model_config_list" or not config.model_config_list.config:
        raise InputError(f"{path} has no model_config_list with a config in it; add one for each model")
    models = [_settings(each, path, root) for each in config.model_config_list.config]
    names = [model.name for model in models]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"{path} has two models with the name {name!r}; give each its own")
    return models


def _settings(config: Any, path: Path, root: Path) -> ModelSettings:
    if not config.name or not config.base_path:
        raise InputError(f"{path} has a model without a name or a base_path; give both")
    base = PurePosixPath(config.base_path)
    if base.is_relative_to(IMAGE_FOLDER) and not Path(base).is_relative_to(root.absolute()):
        base = base.relative_to(IMAGE_FOLDER)
    folder = root / base
    try:
        check_inside(root, folder)
    except PermissionError as error:
        raise InputError(f"{path}: the base_path of {config.name!r} is {config.base_path}, and {error}") from error
    policy = config.model_version_policy
    kind = policy.WhichOneof("policy_choice")
    return ModelSettings(
        config.name,
        folder,
        latest=(policy.latest.num_versions or 1) if kind in (None, "latest") else 0,
        specific=tuple(policy.specific.versions) if kind == "specific" else (),
        labels=dict(config.version_labels),
    )


def check_inside(root: Path, folder: Path) -> None:
    """Check that a folder lies in another one, and that no symbolic link in it leads out of that.

    Raises:
        PermissionError: it does not, or one does.
    """
    real = Path(os.path.realpath(root))
    for path in (folder, *_links(folder)):
        target = Path(os.path.realpath(path))
        if not target.is_relative_to(real):
            raise PermissionError(f"{path} leads to {target}, outside the served folder {real}")


def _links(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(parent, name)
            if path.is_symlink():
                yield path
