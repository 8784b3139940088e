"""The versions of one model: what is in its folder is loaded, and what has left it is drained and let go of."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import tensorflow as tf

from kpt.serving.models_config import ModelSettings, check_inside, versions_in
from kpt.serving.servable import Servable
from kpt.serving.status import ServingError, error_from, invalid_argument, not_found

__all__ = ["ModelVersions", "VersionState"]

#: A version that cannot be loaded may still be on its way into the folder.
ATTEMPTS = 5


@dataclass(frozen=True)
class VersionState:
    """Where a version stands.

    Args:
        state: START, LOADING, AVAILABLE, UNLOADING or END.
        code: of the error that ended it; 0 if none did.
        message: of that error.
    """

    state: str
    code: int = 0
    message: str = ""


class ModelVersions:
    """A model's versions in memory.

    A version is available from the moment it is loaded and warm until a poll finds that it is not wanted any more and
    that another one is available in its place. Who has begun a request with it then still ends it.

    Args:
        settings: the model.
        root: the server's folder, which no path leads out of.
        load: makes a version of its folder, warm.
        say: is told what happens, in a line.
    """

    def __init__(
        self, settings: ModelSettings, root: Path, load: Callable[[Path], Servable], say: Callable[[str], None]
    ) -> None:
        self.settings, self._root, self._load, self._say = settings, root, load, say
        self._lock = threading.Lock()
        self._servables: dict[int, Servable] = {}
        self._states: dict[int, VersionState] = {}
        self._attempts: dict[int, int] = {}

    def poll(self) -> None:
        """Load what is wanted, then let go of what is not; a version that fails is tried again by the next polls."""
        there = versions_in(self.settings.folder)
        for version in self._attempts.keys() - self._servables.keys() - set(there):
            del self._attempts[version]  # what comes under its number another time is another version
        wanted = self.settings.wanted(there)
        for version in wanted:
            if version not in self._servables and self._attempts.get(version, 0) < ATTEMPTS:
                self._begin(version)
        if any(version in self._servables for version in wanted):
            for version in sorted(set(self._servables) - set(wanted)):
                self._end(version)

    def acquire(self, version: int | None = None, label: str | None = None) -> tuple[int, Servable]:
        """Return a version's number and the version, held: leave it with `__exit__`.

        Args:
            version: its number; by default the highest that is available.
            label: or its label.

        Raises:
            ServingError: it is not there.
        """
        if label is not None:
            version = self.settings.labels.get(label)
            if version is None:
                raise invalid_argument(f"Unrecognized servable version label: {label}")
        with self._lock:
            chosen = max(self._servables, default=None) if version is None else version
            if chosen is None or chosen not in self._servables:
                raise not_found(f"Servable not found for request: {self._asked(version)}")
            return chosen, self._servables[chosen].__enter__()

    def states(self) -> dict[int, VersionState]:
        """Return where each version that was ever seen stands, the highest first."""
        with self._lock:
            return dict(sorted(self._states.items(), reverse=True))

    def close(self) -> None:
        """Let go of all versions, as soon as nobody holds them."""
        for version in sorted(self._servables):
            self._end(version)

    def _begin(self, version: int) -> None:
        folder = self.settings.folder / str(version)
        self._attempts[version] = self._attempts.get(version, 0) + 1
        self._set(version, VersionState("LOADING"))
        try:
            check_inside(self._root, folder)
            servable = self._load(folder)
        except PermissionError as error:
            self._attempts[version] = ATTEMPTS
            self._fail(version, ServingError(tf.errors.PERMISSION_DENIED, str(error)))
        except Exception as error:
            self._fail(version, error_from(error))
        else:
            with self._lock:
                self._servables[version] = servable
                self._states[version] = VersionState("AVAILABLE")
            self._say(f"{self.settings.name} version {version}: available")

    def _fail(self, version: int, error: ServingError) -> None:
        self._set(version, VersionState("END", error.code, error.message))
        if self._attempts[version] in (1, ATTEMPTS):
            self._say(f"{self.settings.name} version {version}: cannot be loaded ({' '.join(error.message.split())})")

    def _end(self, version: int) -> None:
        with self._lock:
            servable = self._servables.pop(version)
            self._states[version] = VersionState("UNLOADING")
        servable.close()
        self._attempts.pop(version, None)
        self._set(version, VersionState("END"))
        self._say(f"{self.settings.name} version {version}: unloaded")

    def _set(self, version: int, state: VersionState) -> None:
        with self._lock:
            self._states[version] = state

    def _asked(self, version: int | None) -> str:
        name = self.settings.name
        return f"Latest({name})" if version is None else f"Specific({name}, {version})"
