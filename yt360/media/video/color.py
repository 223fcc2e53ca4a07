"""Color tags of a video, and whether its colours can be converted for clips."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from yt360.errors import BadItem

BT709 = "bt709"
WIDE_GAMUTS = ("bt2020", "smpte432")
"""Primaries that are converted to BT.709: BT.2020 and Display P3."""
DYNAMIC_RANGES = {"smpte2084": "PQ", "arib-std-b67": "HLG"}
"""Transfer characteristic -> HDR system; all others are SDR."""

# Numbers of ISO/IEC 23091-2 (ColourPrimaries, TransferCharacteristics, MatrixCoefficients), as
# FFmpeg names them; 2 means "unspecified".
_PRIMARIES = {
    1: "bt709", 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "film", 9: "bt2020",
    10: "smpte428", 11: "smpte431", 12: "smpte432", 22: "ebu3213",
}  # fmt: skip
_TRANSFERS = {
    1: "bt709", 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "linear", 9: "log100",
    10: "log316", 11: "iec61966-2-4", 12: "bt1361e", 13: "iec61966-2-1", 14: "bt2020-10",
    15: "bt2020-12", 16: "smpte2084", 17: "smpte428", 18: "arib-std-b67",
}  # fmt: skip
_MATRICES = {
    0: "gbr", 1: "bt709", 4: "fcc", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "ycgco",
    9: "bt2020nc", 10: "bt2020c", 11: "smpte2085", 12: "chroma-derived-nc", 13: "chroma-derived-c",
    14: "ictcp", 15: "ipt-c2", 16: "ycgco-re", 17: "ycgco-ro",
}  # fmt: skip
# Dolby Vision profile 5 has an incompatible base layer; that of other profiles is PQ, HLG or SDR.
IPT_PROFILE, IPT_MATRIX = 5, "ipt-c2"
# Transfer characteristics that differ strongly from SDR and are not used by cameras.
_UNSUPPORTED_TRANSFERS = ("linear", "log100", "log316", "smpte428")
# Matrices that FFmpeg's scaler supports.
_SUPPORTED_MATRICES = (
    "", "gbr", "bt709", "fcc", "bt470bg", "smpte170m", "smpte240m", "bt2020nc",
)  # fmt: skip


class HasColorTags(Protocol):
    """A codec context or a frame of PyAV."""

    color_primaries: int
    color_trc: int
    colorspace: int


@dataclass(frozen=True)
class ColorTags:
    """The color tags of a video by FFmpeg's names; empty if it has none.

    Attributes:
        transfer: Transfer characteristic.
        primaries: Color primaries.
        matrix: Matrix coefficients of luma and chroma; ``"gbr"`` for RGB.
    """

    transfer: str = ""
    primaries: str = ""
    matrix: str = ""

    @classmethod
    def of(cls, tagged: HasColorTags) -> ColorTags:
        """Return the tags of a codec context or frame."""
        return cls(
            transfer=_TRANSFERS.get(tagged.color_trc, ""),
            primaries=_PRIMARIES.get(tagged.color_primaries, ""),
            matrix=_MATRICES.get(tagged.colorspace, ""),
        )

    @property
    def dynamic_range(self) -> str:
        """``"PQ"``, ``"HLG"`` or ``"SDR"``."""
        return DYNAMIC_RANGES.get(self.transfer, "SDR")

    @property
    def is_hdr(self) -> bool:
        """Whether the video must be tone mapped."""
        return self.transfer in DYNAMIC_RANGES

    @property
    def gamut(self) -> str:
        """Primaries used in the conversion: BT.709 unless wide; BT.2020 for untagged HDR."""
        if self.is_hdr and not self.primaries:
            return "bt2020"
        return self.primaries if self.primaries in WIDE_GAMUTS else BT709

    @property
    def needs_mapping(self) -> bool:
        """Whether the video needs tone or gamut mapping."""
        return self.is_hdr or self.gamut != BT709

    def check(self) -> None:
        """Check that the colours can be converted.

        Raises:
            BadItem: ``"unsupported-color"``: they cannot.
        """
        if self.transfer in _UNSUPPORTED_TRANSFERS:
            what = f"transfer characteristic {self.transfer!r}"
        elif self.matrix == IPT_MATRIX:
            what = "colours of Dolby Vision profile 5 (IPT)"
        elif self.matrix not in _SUPPORTED_MATRICES:
            what = f"colour matrix {self.matrix!r}"
        else:
            return
        detail = f"the video has the {what}; convert it to BT.709, PQ or HLG first"
        raise BadItem("unsupported-color", detail)
