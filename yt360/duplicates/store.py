"""The folder of a catalog or dataset that holds its fingerprints, pairs and groups."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from pathlib import Path

from yt360.duplicates.fingerprint import load_words
from yt360.files import remove_abandoned

VERSION = 1
"""Version of the fingerprints; those of other versions are made again."""
_SUFFIX = ".npz"


class FingerprintStore:
    """Fingerprint files, named by the identity of the media that they were made from.

    A file is complete or absent, so a run that was killed continues where it stopped, and a second
    run fingerprints only what is new.

    Args:
        folder: The folder, which is created.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def path(self, identity: str) -> Path:
        """Return the path of the fingerprints of media with this identity."""
        digest = hashlib.sha256(f"{VERSION}\0{identity}".encode()).hexdigest()
        return self.folder / f"{digest[:32]}{_SUFFIX}"

    def has(self, identity: str) -> bool:
        """Return whether there is a readable file for this identity."""
        try:
            load_words(self.path(identity))
        except (OSError, ValueError):
            return False
        return True

    def remove_others(self, identities: Collection[str]) -> None:
        """Remove the files of media that are no longer there, and half-written files."""
        kept = {self.path(identity) for identity in identities}
        for path in list(self.folder.glob(f"*{_SUFFIX}")):
            if path not in kept:
                path.unlink()
        for path in self.folder.glob(f".*{_SUFFIX}.*.tmp"):
            remove_abandoned(path)
