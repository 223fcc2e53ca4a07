"""A folder of rendered scenes: its description, its complete scenes, and reading scenes.

``scenes.json`` holds the parameters and the format of all scenes of the folder, and lists the
scenes. A scene is three files with one stem: ``.mp4``, ``.flac`` and ``.truth.npz``.
"""

from __future__ import annotations

import hashlib
import json
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yt360.config import from_mapping, to_mapping
from yt360.errors import UserError
from yt360.files import write_json
from yt360.locks import exclusive_lock
from yt360.scenes.world.parameters import SceneFormat, SceneParameters, described

DESCRIPTION = "scenes.json"
LOCK = ".scenes.lock"
# The video is written last, because other commands find a scene by it.
SUFFIXES = (".flac", ".truth.npz", ".mp4")
VERSION = 2
LEFTOVER_AGE_S = 600


@dataclass(frozen=True)
class SceneFolder:
    """A folder of scenes with common parameters and format."""

    path: Path
    parameters: SceneParameters
    form: SceneFormat

    def check(self) -> None:
        """Check that the folder is new, or holds scenes of the same parameters and format.

        Raises:
            UserError: It is not a folder, holds something else, or other scenes.
        """
        if self.path.exists() and not self.path.is_dir():
            raise UserError(
                f"{self.path} is not a folder; choose another name for the scenes",
                "exists",
                self.path,
            )
        description = self.path / DESCRIPTION
        if description.exists():
            self._check_same(_read(description))
            return
        if self.path.exists() and not all(_is_leftover(file) for file in self.path.iterdir()):
            raise UserError(
                f"{self.path} is not empty and has no {DESCRIPTION}; choose a new folder",
                code="exists",
                key=self.path,
            )

    def prepare(self) -> None:
        """Create the folder, or remove what killed runs left in it; see `check` for errors."""
        self.check()
        self.path.mkdir(parents=True, exist_ok=True)
        self._remove_leftovers()
        if not (self.path / DESCRIPTION).exists():
            self.describe([])

    def files(self, name: str) -> tuple[Path, Path, Path]:
        """Return the audio, ground-truth and video file of a scene."""
        audio, truth, video = (self.path / f"{name}{suffix}" for suffix in SUFFIXES)
        return audio, truth, video

    def is_complete(self, name: str) -> bool:
        """Return whether all files of a scene exist."""
        return all(file.exists() for file in self.files(name))

    def describe(self, scenes: list[dict[str, Any]]) -> None:
        """Add scenes to the description; several processes may do so at the same time.

        Raises:
            UserError: Another process has begun to write other scenes into the folder.
        """
        lock, description = self.path / LOCK, self.path / DESCRIPTION
        with exclusive_lock(lock, wait=True):
            try:
                if description.exists():
                    self._check_same(_read(description))
                listed = self.listed() | {item["name"]: item for item in scenes}
                entries = [listed[name] for name in sorted(listed)]
                write_json(description, {**self._settings(), "scenes": entries})
            finally:
                lock.unlink()

    def listed(self) -> dict[str, dict[str, Any]]:
        """Return the scenes that the description lists, by name."""
        description = self.path / DESCRIPTION
        known = _read(description)["scenes"] if description.exists() else []
        return {item["name"]: item for item in known}

    def _remove_leftovers(self) -> None:
        """Remove files of killed runs, but none that another process may be writing."""
        for file in self.path.glob(".scene*.tmp"):
            with suppress(FileNotFoundError):  # its writer may be done with it
                if time.time() - file.stat().st_mtime > LEFTOVER_AGE_S:
                    file.unlink()

    @property
    def fingerprint(self) -> str:
        """Hash of parameters and format, which determine the scenes together with their names."""
        text = json.dumps(self._settings(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def _settings(self) -> dict[str, Any]:
        return {
            "version": VERSION,
            "parameters": described(self.parameters),
            "format": to_mapping(self.form),
        }

    def _check_same(self, found: dict[str, Any]) -> None:
        defaults = SceneParameters(), SceneFormat()
        wanted = self.parameters, self.form
        for part, usual, own in zip(("parameters", "format"), defaults, wanted, strict=True):
            present = to_mapping(usual) | found[part]
            for name, value in to_mapping(own).items():
                there = present[name]
                if there != value:
                    raise UserError(
                        f"{self.path} contains scenes with {name} = {there}, not {value}; "
                        "choose another folder or the same settings",
                        code="conflict",
                        key=name,
                    )


def _is_leftover(file: Path) -> bool:
    """Return whether a run that was killed before it wrote the description left a file."""
    return file.name == LOCK or (file.name.startswith(f".{DESCRIPTION}.") and file.suffix == ".tmp")


def open_folder(path: Path) -> SceneFolder:
    """Return a folder of scenes with the settings in its description.

    Raises:
        UserError: There is no description, or it cannot be read.
    """
    if not (path / DESCRIPTION).is_file():
        raise UserError(
            f"{path} has no {DESCRIPTION}; give a folder that `yt360 scenes` wrote",
            "missing",
            path,
        )
    found = _read(path / DESCRIPTION)
    parameters = from_mapping(SceneParameters, found["parameters"], "parameters")
    return SceneFolder(path, parameters, from_mapping(SceneFormat, found["format"], "format"))


def _read(description: Path) -> dict[str, Any]:
    try:
        found = json.loads(description.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{description} cannot be read: {error}", key=description) from None
    parts = {"version": int, "parameters": dict, "format": dict, "scenes": list}
    if not isinstance(found, dict) or not all(
        isinstance(found.get(name), kind) for name, kind in parts.items()
    ):
        raise UserError(
            f"{description} does not describe scenes; choose another folder", key=description
        )
    if found["version"] != VERSION:
        raise UserError(
            f"{description} has version {found['version']}; this program reads version {VERSION}, "
            "so create the scenes again in a new folder",
            code="unsupported",
            key=description,
        )
    return found
