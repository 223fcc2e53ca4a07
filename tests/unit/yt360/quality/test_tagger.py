"""Audio taggers of the user are loaded by name and get audio at their own rate."""

import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.errors import user_error
from numpy.typing import NDArray

from yt360.quality.signal.windows import Window
from yt360.quality.tagger import AudioTagger, load_tagger, tag

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


def test_a_tagger_gets_a_window_at_its_own_rate() -> None:
    tagger = CountingTagger()
    tags = tag(tagger, Window(0.0, np.full((1, 10 * RATE_HZ), 0.5, np.float32), RATE_HZ))
    assert tags["Background music"] == pytest.approx(0.5, abs=0.01)
    assert tagger.lengths == [80_000]


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
