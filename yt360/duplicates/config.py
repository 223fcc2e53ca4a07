"""Options of the search for duplicates, and the reasons for its thresholds."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from yt360.config import config_class
from yt360.duplicates.kinds import Grouping

Score = Annotated[float, Field(gt=0, le=1)]


@config_class
class DedupConfig:
    """Options of the search for duplicates.

    Each threshold lies between copies (re-encoded at CRF 33, half size, rotated by 73°, AAC at 64
    kb/s for all channels) and pairs of other recordings; docs/duplicates.md has both distributions.
    """

    min_place: Score = 0.7
    """Correlation of two panoramas, at the best rotation, from which they show the same place
    from the same position. Copies: 0.94 and more; two cuts of a tripod recording: 0.79 and more;
    other places: 0.3 and less. A wrong pair joins two groups, so the threshold is nearer to
    copies."""
    min_motion: Score = 0.6
    """Correlation of the motion from which both show the same moment. Copies: 0.85 and more in nine
    of ten; 0.1 to 0.6 where hardly anything moves, and the audio has to decide; other moments of
    one place: 0.46 and less over 4 s."""
    min_audio: Score = 0.5
    """Correlation of audio features from which both have the same audio. Copies: 0.89 and more;
    other recordings, also of one machine or place: 0.27 and less over 4 s."""
    min_match_s: Annotated[float, Field(ge=2, le=600)] = 4.0
    """Shortest common part. A shorter one has too little motion to distinguish two moments."""
    group: Grouping = "same-footage"
    """The pairs whose videos are kept in one split."""
    workers: Annotated[int, Field(ge=1)] = 1
    """Number of processes."""
