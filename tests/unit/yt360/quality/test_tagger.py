"""Audio taggers of the user are loaded by name and get windows of ten seconds."""

import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.errors import user_error
from numpy.typing import NDArray

from yt360.quality.tagger import AudioTagger, TagMeans, load_tagger

RATE_HZ = 16_000
SOURCE = """
class Tagger:
    sample_rate_hz = 16000
    def __call__(self, mono):
        return {}

ready = Tagger()
wrong = 3
"""


class CountingTagger:
    """Hears as much music as there is level; counts its calls."""

    sample_rate_hz = 8_000

    def __init__(self) -> None:
        self.lengths: list[int] = []

    def __call__(self, mono: NDArray[np.float32]) -> dict[str, float]:
        self.lengths.append(len(mono))
        return {"Background music": float(np.abs(mono).mean())}


def test_a_tagger_gets_ten_seconds_at_its_own_rate() -> None:
    tagger = CountingTagger()
    means = TagMeans(tagger, RATE_HZ)
    for _ in range(25):
        means.feed(np.full(RATE_HZ, 0.5, np.float32))
    assert means.means()["Background music"] == pytest.approx(0.5, abs=0.01)
    assert tagger.lengths == [80_000, 80_000]


def test_a_tagger_is_loaded_once_from_a_module_in_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "made_up_tagger.py").write_text(SOURCE)
    (tmp_path / "broken_tagger.py").write_text("nonsense(")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in ("Tagger", "ready"):
        assert isinstance(load_tagger(f"made_up_tagger:{name}"), AudioTagger)
    assert load_tagger("made_up_tagger:Tagger") is load_tagger("made_up_tagger:Tagger")
    with user_error("invalid", "made_up_tagger:wrong"):
        load_tagger("made_up_tagger:wrong")
    with user_error("dependency", "broken_tagger"):
        load_tagger("broken_tagger:T")
    sys.modules.pop("made_up_tagger")
