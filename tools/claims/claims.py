"""The claims: what the paper says, as comparisons of variants."""

from __future__ import annotations

from dataclasses import dataclass

from claims.ordering import Comparison, better, better_than, gains_more
from claims.results import Measure
from claims.variants import (
    CONTROL,
    FAST,
    INTENSITY,
    PLAIN,
    PUBLISHED,
    PUBLISHED_INTENSITY,
    VARIANTS,
)

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


LOG_MELS = ("avc", "avc-4views", "avc-transformer", "avts")
WITH_INTENSITY = ("avc-intensity", "avts-intensity")
"""Variants of AVC and AVTS, by their audio."""


def of_the_paper(avsa: str, others: tuple[str, ...]) -> tuple[Claim, ...]:
    """Return the claims about AVSA against AVC and AVTS.

    Args:
        avsa: The variant that is meant by AVSA.
        others: Variants of AVC and AVTS with the same audio.
    """
    avc = [other for other in others if other.startswith("avc")]
    return (
        Claim(
            f"{avsa} beats AVC and AVTS on AVSA-Bin",
            tuple(better(avsa, other, AVSA_BIN) for other in others),
        ),
        Claim(
            f"{avsa} does not lose on AVC-Bin (more than 2 points)",
            tuple(better(avsa, other, AVC_BIN, MARGIN) for other in others),
        ),
        Claim(
            f"{avsa} gains most from four views instead of one, on AVSA-Bin",
            tuple(gains_more(avsa, other, AVSA_BIN, AVSA_BIN_1) for other in others),
        ),
        Claim(
            f"{avsa} localizes better than AVC",
            tuple(better(avsa, other, HITS) for other in avc),
        ),
        Claim(
            f"{avsa} segments better than AVC",
            tuple(better(avsa, other, each) for each in (PIXELS, MIOU) for other in avc),
        ),
    )


CLAIMS = (
    *of_the_paper(PUBLISHED, LOG_MELS),
    *of_the_paper(PLAIN, LOG_MELS),
)
"""The claims of the paper with its audio: for the negatives of the published code, and for those of
the same clip."""

CLAIMS_WITH_INTENSITY = (
    *of_the_paper(PUBLISHED_INTENSITY, WITH_INTENSITY),
    *of_the_paper(INTENSITY, WITH_INTENSITY),
    *of_the_paper(FAST, WITH_INTENSITY),
    Claim(
        "The curriculum helps, on AVSA-Bin and AVC-Bin",
        tuple(better(INTENSITY, "avsa-no-curriculum", each) for each in (AVSA_BIN, AVC_BIN)),
    ),
    Claim(
        "The transformer helps when views are combined, on AVSA-Bin with four views",
        (
            better_than((INTENSITY, AVSA_BIN_TRANSLATED), ("avsa-no-transformer", AVSA_BIN)),
            better(INTENSITY, "avsa-mlp", AVSA_BIN_TRANSLATED),
        ),
    ),
    Claim(
        "Alignment as a choice beats the regression of the rotation, on AVSA-Bin",
        tuple(better(each, "avsa-regression", AVSA_BIN)
              for each in (PUBLISHED_INTENSITY, INTENSITY)),
    ),
)  # fmt: skip
"""The same claims with intensity vectors, and those about the parts of AVSA."""

ADDITIONS = tuple(
    Claim(
        f"{name} against {compared}",
        tuple(better(name, compared, each) for each in (AVSA_BIN, AVC_BIN, HITS, VIEWS)),
    )
    for name, compared in (
        (INTENSITY, PLAIN),
        (FAST, INTENSITY),
        *((each.name, INTENSITY) for each in VARIANTS if each.table == 3 and each.name != CONTROL),
    )
)
"""What each addition beyond the paper gives; the control is to be at chance, and makes no claim."""
