"""The scenes of a folder, or of all folders in it, for exact ground truth at any time."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from yt360.errors import UserError
from yt360.scenes.folder import DESCRIPTION, SceneFolder, open_folder
from yt360.scenes.world.sampling import sample_scene
from yt360.scenes.world.scene import Scene


class SceneCollection:
    """Scenes by name.

    Args:
        path: A folder that ``yt360 scenes`` wrote, or one that contains such folders, such as those
            for training and for testing.

    Attributes:
        path: The folder.
        fingerprint: Hash of the parameters and formats, which determine the scenes together with
            their names.

    Raises:
        UserError: There are no scenes, a description cannot be read, or two folders have a scene of
            one name.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        inside = sorted(file.parent for file in path.glob(f"*/{DESCRIPTION}"))
        alone = (path / DESCRIPTION).is_file() or not inside
        folders = [open_folder(each) for each in ([path] if alone else inside)]
        self._scenes: dict[str, tuple[SceneFolder, dict[str, Any]]] = {}
        for folder in folders:
            for name, item in folder.listed().items():
                other = self._scenes.setdefault(name, (folder, item))[0]
                if other is not folder:
                    raise UserError(
                        f"{other.path} and {folder.path} both have a scene {name}; give one of "
                        "them",
                        "conflict",
                        path,
                    )
        prints = [each.fingerprint for each in folders]
        joined = hashlib.sha256(" ".join(prints).encode()).hexdigest()[:16]
        self.fingerprint = prints[0] if len(prints) == 1 else joined

    def __contains__(self, name: object) -> bool:
        return name in self._scenes

    def audio_file(self, name: str) -> Path:
        """Return the audio file of a scene."""
        return self._scenes[name][0].files(name)[0]

    def scene(self, name: str) -> Scene:
        """Return a scene.

        Args:
            name: Its file stem, such as ``"scene-0000-0007"``.

        Raises:
            UserError: There is no such scene.
        """
        if name not in self:
            raise UserError(f"{self.path} has no scene {name!r}", "missing", name)
        folder, item = self._scenes[name]
        return sample_scene(item["seed"], item["index"], folder.parameters, folder.form.duration_s)
