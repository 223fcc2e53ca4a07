"""The layers of the clips of a source, by the addresses of the page."""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, ParamSpec, Protocol, TypeVar

from yt360.errors import BadItem, UserError
from yt360.explore.layers.labels import LabelLayer, label_layer
from yt360.explore.layers.model_lock import ModelLock
from yt360.explore.layers.png import png_bytes
from yt360.explore.layers.scores import Scores
from yt360.explore.layers.sound import SoundLayers, sound_layers_of_flac
from yt360.explore.layers.stored_directions import StoredDirections
from yt360.explore.sources.source import Column, Rows
from yt360.labels.classes import NAMES
from yt360.labels.format.label_set import default_label_set
from yt360.labels.format.reader import LabelReader

P = ParamSpec("P")
Result = TypeVar("Result")
File = tuple[bytes, str]
"""Content and media type."""

AUDIO = "audio.flac"
MAX_AUDIO_BYTES = 256 << 20
"""Longer audio has no layers; that of a clip of 10 s has 1 MB."""
BYTES, JSON, PNG = "application/octet-stream", "application/json", "image/png"
_LABELS = re.compile(r"labels/(\d{1,6})\.png")
_RUN = re.compile(r"runs/(\d{1,4})(?:\.json|/([0-9a-z]{1,20}\.[a-z]{3}))")
_KEPT_SOUND, _KEPT_LABELS, _KEPT_RUNS = 16, 4, 8


class Member(Protocol):
    """A member of a clip, read by byte range."""

    @property
    def size(self) -> int:
        """Bytes."""

    @property
    def read(self) -> Callable[[int, int], bytes | memoryview]:
        """A function that returns the bytes [start, stop)."""


class ClipSource(Protocol):
    """Where clips are."""

    @property
    def folder(self) -> Path | None:
        """The dataset's folder; None if the clips are not in one on this machine."""

    def key(self, row: int) -> str:
        """Return the key of a clip."""

    def split(self, row: int) -> str | None:
        """Return the split of a clip, if it has one."""

    def member(self, row: int, name: str) -> Member | None:
        """Return a member of a clip, such as `AUDIO`."""


class Caller(Protocol):
    """Calls functions in another process."""

    def call(
        self, item: str, function: Callable[P, Result], *args: P.args, **kwargs: P.kwargs
    ) -> Result:
        """Return the result of a call; see `yt360.execution.isolation.IsolatedProcess.call`."""


class Directions(Protocol):
    """Where the sources of clips are, by ground truth or by hand."""

    def of_clip(self, key: str, duration_s: float) -> list[dict[str, Any]]:
        """Return the directions of a clip as JSON values; none if they are not known."""


class RunClip(Protocol):
    """What a trained model sees of a clip."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """Its views and scores as JSON values."""

    @property
    def files(self) -> Mapping[str, File]:
        """Files that the facts name."""


class Run(Protocol):
    """A trained model; see `yt360.explore.layers.runs`. Its methods are called one at a time."""

    @property
    def identity(self) -> str:
        """A text that changes with what it sees, such as a hash of its weights and its settings."""

    def clip(self, key: str, split: str) -> RunClip:
        """Return what it sees of a clip."""

    def score(self, key: str, split: str) -> float | None:
        """Return the value ``score`` of the facts of `clip` alone, which is cheaper."""


class ClipLayers:
    """Energy, level, labels, directions and runs of clips; used from many threads.

    Args:
        source: The clips.
        decoding: Decodes audio in another process.
        runs: Trained models by name.
        directions: Known directions of sources; None for those that are stored with the clips.
        scores: Scores of clips by these runs; None without any.

    Raises:
        UserError: The folder of the source is not a dataset.
    """

    def __init__(
        self,
        source: ClipSource,
        decoding: Caller,
        runs: Mapping[str, Run] = MappingProxyType({}),
        directions: Directions | None = None,
        scores: Scores | None = None,
    ) -> None:
        self._source, self._decoding = source, decoding
        stored = None if source.folder is None else StoredDirections.find(source.folder)
        self._names, self._runs = list(runs), list(runs.values())
        self._directions = stored if directions is None else directions
        self._scores = scores
        self._sound = lru_cache(_KEPT_SOUND)(self._load_sound)
        self._label_layer = lru_cache(_KEPT_LABELS)(self._load_labels)
        self._labels = lru_cache(self._open_labels)
        self._seen: OrderedDict[tuple[int, int], RunClip] = OrderedDict()
        self._models = ModelLock() if scores is None else scores.lock

    @property
    def columns(self) -> Sequence[Column]:
        """A column of scores for each run."""
        return () if self._scores is None else self._scores.columns

    def rows(self, start: int, stop: int) -> Rows:
        """Return the scores of the rows [start, stop) that are known."""
        return {} if self._scores is None else self._scores.rows(start, stop)

    def finish(self) -> None:
        """Compute the scores that are not known."""
        if self._scores is not None:
            self._scores.compute()

    def changes(self, number: int) -> dict[str, Any] | None:
        """Return the scores that have become known; see `Scores.since`."""
        return None if self._scores is None else self._scores.since(number)

    def site(self) -> dict[str, Any]:
        """Return names of runs, and names of classes if there are labels."""
        name = None if self._source.folder is None else default_label_set(self._source.folder)
        return {
            "runs": self._names,
            "classes": [] if name is None else list(NAMES),
        }

    def facts(self, clip: int) -> dict[str, Any]:
        """Return level, energy, labels, directions and runs of a clip as JSON values.

        Damaged labels count as none. What a run sees is in its own file.

        Raises:
            BadItem: The audio cannot be read.
        """
        sound = self._sound(clip)
        labels = self._label_layer(clip)
        duration_s = 0.0 if sound is None else sound.step_s * len(sound.level_dbfs)
        known = self._directions
        return {
            "level": None if sound is None else sound.level_facts,
            "energy": None if sound is None else sound.energy_facts,
            "labels": None if labels is None else labels.facts,
            "directions": []
            if known is None
            else known.of_clip(self._source.key(clip), duration_s),
            "runs": {
                name: {"file": f"runs/{n}.json", "version": self._runs[n].identity}
                for n, name in enumerate(self._names)
            },
        }

    def file(self, clip: int, name: str) -> File | None:
        """Return a file of a clip; None if there is none.

        Raises:
            BadItem: The clip cannot be read.
        """
        if name in ("energy.bin", "strip.png"):
            sound = self._sound(clip)
            if sound is None:
                return None
            is_energy = name == "energy.bin"
            return (sound.energy.tobytes(), BYTES) if is_energy else (png_bytes(sound.strip), PNG)
        if match := _LABELS.fullmatch(name):
            labels, number = self._label_layer(clip), int(match[1])
            if labels is None or number >= len(labels.maps):
                return None
            return png_bytes(labels.maps[number]), PNG
        if match := _RUN.fullmatch(name):
            return self._run_file(clip, int(match[1]), match[2])
        return None

    def _load_sound(self, clip: int) -> SoundLayers | None:
        member = self._source.member(clip, AUDIO)
        if member is None or member.size > MAX_AUDIO_BYTES:
            return None
        flac = bytes(member.read(0, member.size))
        return self._decoding.call(self._source.key(clip), sound_layers_of_flac, flac)

    def _load_labels(self, clip: int) -> LabelLayer | None:
        split = self._source.split(clip)
        labels = None if split is None else self._labels(split)
        try:
            return None if labels is None else label_layer(labels, self._source.key(clip))
        except BadItem:
            return None

    def _open_labels(self, split: str) -> LabelReader | None:
        folder = self._source.folder
        try:
            name = None if folder is None else default_label_set(folder)
            return None if folder is None or name is None else LabelReader(folder, split, name)
        except UserError:
            return None

    def _run_file(self, clip: int, number: int, name: str | None) -> File | None:
        split = self._source.split(clip)
        if number >= len(self._runs) or split is None:
            return None
        with self._models.hold(is_urgent=True):
            seen = self._seen.pop((number, clip), None)
            if seen is None:
                seen = self._runs[number].clip(self._source.key(clip), split)
                if self._scores is not None:
                    self._scores.note(number, clip, seen.facts.get("score"))
            self._seen[number, clip] = seen
            if len(self._seen) > _KEPT_RUNS:
                self._seen.popitem(last=False)
        if name is None:
            return json.dumps(seen.facts, allow_nan=False).encode(), JSON
        return seen.files.get(name)
