"""Convert HDR and wide-gamut video to BT.709 SDR, for clips and for quality checks.

High dynamic range (PQ and HLG of Rec. ITU-R BT.2100) is tone mapped, and the wide gamuts BT.2020
and Display P3 are mapped to BT.709. `append_to_sdr` implements `to_sdr` with FFmpeg's filters.

The SDR peak corresponds to `WHITE_NITS`, the diffuse white of HDR (203 cd/m², Rec. ITU-R BT.2408).
Luminances up to half of it are unchanged, so most of a frame keeps its contrast; above, a Möbius
curve compresses luminances up to `PEAK_NITS` below the SDR peak. The curve is applied to the
maximum of R, G and B, which preserves hues. Diffuse white becomes 89 % of the SDR signal. HLG is
rendered for its reference display of 1000 cd/m², so both systems use the same curve. Mastering
display metadata is ignored, because it is often missing or wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from ffmpeg.nodes import FilterableStream
from numpy.typing import NDArray

from yt360.media.video.color import BT709, ColorTags

if TYPE_CHECKING:
    from av import VideoFrame

PEAK_NITS = 1000.0
WHITE_NITS = 203.0
KNEE = 0.5
"""Luminance above which tones are compressed, relative to `WHITE_NITS`."""

BT709_LUMA = np.array([0.2126, 0.7152, 0.0722])
_SDR_GAMMA = 2.4  # Rec. ITU-R BT.1886 with a black of zero

# SMPTE ST 2084, also Rec. ITU-R BT.2100, table 4.
_M1, _M2 = 2610 / 16384, 2523 / 4096 * 128
_C1, _C2, _C3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
_PQ_PEAK_NITS = 10_000.0
# Rec. ITU-R BT.2100, table 5; the system gamma is that of a display of 1000 cd/m².
_HLG_A, _HLG_B, _HLG_C = 0.17883277, 0.28466892, 0.55991073
_HLG_PEAK_NITS, _HLG_SYSTEM_GAMMA = 1000.0, 1.2
_BT2020_LUMA = np.array([0.2627, 0.6780, 0.0593])

# Chromaticities (x, y) of red, green and blue; white is D65 in all of them.
_PRIMARIES = {
    "bt709": ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060)),
    "bt2020": ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    "smpte432": ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
}
_D65 = (0.3127, 0.3290)

Colors = NDArray[np.float64]


def pq_to_nits(signal: Colors) -> Colors:
    """Convert PQ signals in [0, 1] to luminance in cd/m² (the EOTF of BT.2100)."""
    power = np.clip(signal, 0, 1) ** (1 / _M2)
    return _PQ_PEAK_NITS * (np.maximum(power - _C1, 0) / (_C2 - _C3 * power)) ** (1 / _M1)


def hlg_to_nits(signal: Colors) -> Colors:
    """Convert HLG signals (..., 3) in [0, 1] to luminance on a display of 1000 cd/m²."""
    signal = np.clip(signal, 0, 1)
    above = (np.exp((np.maximum(signal, 0.5) - _HLG_C) / _HLG_A) + _HLG_B) / 12
    scene = np.where(signal <= 0.5, signal**2 / 3, above)
    luminance = scene @ _BT2020_LUMA
    return _HLG_PEAK_NITS * luminance[..., None] ** (_HLG_SYSTEM_GAMMA - 1) * scene


def compress(light: Colors) -> Colors:
    """Compress HDR luminances to SDR with FFmpeg's tone mapping operator ``mobius``.

    Args:
        light: Luminances relative to `WHITE_NITS`, 0 or more.

    Returns:
        Luminances: unchanged up to `KNEE`, 1 at `PEAK_NITS`, more than 1 beyond.
    """
    peak = PEAK_NITS / WHITE_NITS
    a = -(KNEE**2) * (peak - 1) / (KNEE**2 - 2 * KNEE + peak)
    b = (KNEE**2 - 2 * KNEE * peak + peak) / (peak - 1)
    curve = (b + KNEE) ** 2 / (b - a) * (light + a) / (light + b)
    return np.where(light <= KNEE, light, curve)


def to_sdr(rgb: Colors, tags: ColorTags) -> Colors:
    """Convert signals (..., 3) of another system to BT.709 SDR signals (..., 3) in [0, 1].

    Colours outside BT.709 are clipped.
    """
    if tags.is_hdr:
        nits = pq_to_nits(rgb) if tags.dynamic_range == "PQ" else hlg_to_nits(rgb)
        light = nits / WHITE_NITS
        largest = np.maximum(light.max(axis=-1, keepdims=True), 1e-6)
        light *= compress(largest) / largest
    else:
        light = np.clip(rgb, 0, 1) ** _SDR_GAMMA
    if tags.gamut != BT709:
        light = light @ (np.linalg.inv(_rgb_to_xyz(BT709)) @ _rgb_to_xyz(tags.gamut)).T
    return np.clip(light, 0, 1) ** (1 / _SDR_GAMMA)


def sdr_frame(frame: VideoFrame, width: int, height: int) -> Colors:
    """Scale a decoded frame and convert it to BT.709 SDR signals (H, W, 3)."""
    small = frame.reformat(width, height, "rgb48le", interpolation="AREA")
    return to_sdr(small.to_ndarray().astype(np.float64) / 65535, ColorTags.of(frame))


def append_to_sdr(video: FilterableStream, tags: ColorTags) -> FilterableStream:
    """Append filters that are equivalent to `to_sdr`.

    Args:
        video: Limited-range yuv444p16 with the BT.2020 non-constant luminance matrix.
        tags: Color tags of the video, without the matrix.
    """
    curve = tags.transfer if tags.is_hdr else "bt709"
    video = video.filter(
        "setparams", color_primaries=tags.gamut, color_trc=curve, colorspace="bt2020nc", range="tv"
    )
    video = video.filter(
        "zscale", transfer="linear", matrix="gbr", range="full", npl=WHITE_NITS, agamma=0
    ).filter("format", "gbrpf32le")
    if tags.is_hdr:
        video = video.filter("tonemap", "mobius", param=KNEE, peak=PEAK_NITS / WHITE_NITS, desat=0)
    # Integer RGB clips colours outside the gamut.
    video = video.filter("zscale", transfer="bt709", primaries=BT709, matrix="gbr")
    video = video.filter("format", "gbrp16le")
    return video.filter("zscale", matrix="bt709", range="limited")


def mapping_facts(tags: ColorTags) -> dict[str, Any]:
    """Return the parameters of `to_sdr` as plain JSON values."""
    facts: dict[str, Any] = {"dynamic_range": tags.dynamic_range, "primaries": tags.gamut}
    if tags.is_hdr:
        facts["tone_mapping"] = {
            "operator": "mobius", "knee": KNEE, "peak_nits": PEAK_NITS, "white_nits": WHITE_NITS,
        }  # fmt: skip
    return facts


def _rgb_to_xyz(primaries: str) -> Colors:
    """Return the matrix from linear RGB to CIE XYZ (SMPTE RP 177)."""
    corners = np.array([_xyz(*xy) for xy in _PRIMARIES[primaries]]).T
    return corners * np.linalg.solve(corners, _xyz(*_D65))


def _xyz(x: float, y: float) -> Colors:
    return np.array([x / y, 1.0, (1 - x - y) / y])
