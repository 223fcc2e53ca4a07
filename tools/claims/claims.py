"""The claims: what the paper says, as comparisons of variants."""

from __future__ import annotations

from dataclasses import dataclass

from claims.ordering import Comparison, better, better_than, gains_more
from claims.results import Measure
from claims.variants import PLAIN, VARIANTS

MARGIN = 0.02
"""Largest loss on AVC-Bin that counts as none: 2 points."""

AVC_BIN = Measure("avc-bin", "accuracy")
AVSA_BIN = Measure("avsa-bin", "accuracy")
AVSA_BIN_1 = Measure("avsa-bin", "accuracy", {"views": 1})
AVSA_BIN_TRANSLATED = Measure("avsa-bin", "accuracy", {"translated": True})
PIXELS = Measure("segmentation", "pixel_accuracy")
MIOU = Measure("segmentation", "video_miou")
HITS = Measure("localization", "hits")
VIEWS = Measure("retrieval", "views_video_to_audio_recall@1")


@dataclass(frozen=True)
class Claim:
    """A claim, which holds if all of its comparisons hold.

    Attributes:
        text: The claim.
        comparisons: Differences that must be above 0, or above a margin.
    """

    text: str
    comparisons: tuple[Comparison, ...]


CLAIMS = (
    Claim(
        "AVSA beats AVC and AVTS on AVSA-Bin",
        tuple(
            better("avsa", other, AVSA_BIN)
            for other in ("avc", "avc-4views", "avc-transformer", "avts")
        ),
    ),
    Claim(
        "AVSA does not lose on AVC-Bin (more than 2 points)",
        tuple(better("avsa", other, AVC_BIN, MARGIN) for other in ("avc", "avc-4views", "avts")),
    ),
    Claim(
        "AVSA gains most from four views instead of one, on AVSA-Bin",
        tuple(
            gains_more("avsa", other, AVSA_BIN, AVSA_BIN_1)
            for other in ("avc", "avc-4views", "avts")
        ),
    ),
    Claim(
        "The curriculum helps, on AVSA-Bin",
        (better("avsa", "avsa-no-curriculum", AVSA_BIN),),
    ),
    Claim(
        "The transformer helps when views are combined, on AVSA-Bin with four views",
        (
            better_than(("avsa", AVSA_BIN_TRANSLATED), ("avsa-no-transformer", AVSA_BIN)),
            better("avsa", "avsa-mlp", AVSA_BIN_TRANSLATED),
        ),
    ),
    Claim(
        "AVSA segments better than AVC",
        tuple(better("avsa", other, each) for each in (PIXELS, MIOU)
              for other in ("avc", "avc-4views")),
    ),
    Claim(
        "AVSA localizes better than AVC",
        tuple(better("avsa", other, HITS) for other in ("avc", "avc-4views")),
    ),
)  # fmt: skip

ADDITIONS = tuple(
    Claim(
        f"{variant.label}: against plain AVSA",
        tuple(better(variant.name, PLAIN, each) for each in (AVSA_BIN, AVC_BIN, HITS, VIEWS)),
    )
    for variant in VARIANTS
    if variant.table == 2
)
"""What each addition beyond the paper gives."""
