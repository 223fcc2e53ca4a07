"""Known colours in PQ, HLG, BT.2020 and Display P3 come out as the formulas of the ITU say."""

import subprocess
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from helpers.conversion import convert_clip
from helpers.errors import bad_item

from yt360.clip_codec.format import ClipFormat
from yt360.errors import BadItem
from yt360.media import ffmpeg, source
from yt360.media.audio.selection import select_audio
from yt360.media.containers.opening import open_media
from yt360.media.convert import ClipRequest
from yt360.media.describe import as_values, describe
from yt360.media.probe import probe
from yt360.media.source import Source, open_source
from yt360.media.video.color import ColorTags
from yt360.media.video.frame_triplets import HEIGHT, WIDTH, read_frame_triplets
from yt360.media.video.tone_mapping import compress, hlg_to_nits, pq_to_nits, sdr_frame, to_sdr

PATCH = 16
TOLERANCE = 5 / 255  # 10 bits in, 8 bits of luma and chroma and rounded RGB out
TRANSFERS = {"": 2, "bt709": 1, "linear": 8, "bt2020-10": 14, "smpte2084": 16, "arib-std-b67": 18}
PRIMARIES = {"": 2, "bt709": 1, "bt2020": 9, "smpte432": 12}
MATRICES = {"bt709": (1, 0.2126, 0.0722), "bt2020nc": (9, 0.2627, 0.0593)}
PQ = ColorTags("smpte2084", "bt2020", "bt2020nc")
HLG = ColorTags("arib-std-b67", "bt2020", "bt2020nc")
BT2020 = ColorTags("bt2020-10", "bt2020", "bt2020nc")
P3 = ColorTags("bt709", "smpte432", "bt709")
BT709 = ColorTags("bt709", "bt709", "bt709")
# Greys from black to peak, and colours.
SIGNALS = np.array(
    [[grey] * 3 for grey in (0, 0.1, 0.2, 0.38, 0.5, 0.5807, 0.65, 0.75, 0.9, 1)]
    + [[0.6, 0.4, 0.4], [0.35, 0.5, 0.3], [0.4, 0.45, 0.6], [0.7, 0.68, 0.5], [0.5, 0.3, 0.55],
       [0.3, 0.55, 0.55]]
)  # fmt: skip


def ycbcr(signals: np.ndarray, matrix: str) -> np.ndarray:
    """Return 10-bit limited-range Y, Cb, Cr (N, 3) of R'G'B' (N, 3)."""
    _, kr, kb = MATRICES[matrix]
    luma = signals @ np.array([kr, 1 - kr - kb, kb])
    cb, cr = (signals[:, 2] - luma) / (2 - 2 * kb), (signals[:, 0] - luma) / (2 - 2 * kr)
    return np.round(np.stack([64 + 876 * luma, 512 + 896 * cb, 512 + 896 * cr], 1))


def write_patches(path: Path, tags: ColorTags, seconds: int = 1) -> Path:
    """Write 16 patches in one 2:1 picture with ambisonic sound, tagged as `tags` say."""
    planes = ycbcr(SIGNALS, tags.matrix or "bt2020nc").astype(np.uint16)
    picture = planes.reshape(2, 8, 3).repeat(2 * PATCH, 0).repeat(PATCH, 1)
    small = picture[::2, ::2]
    rows = np.concatenate(
        [picture[..., 0].ravel(), small[..., 1].ravel(), small[..., 2].ravel()]
    ).reshape(-1, picture.shape[1])
    field = np.random.default_rng(0).standard_normal((4, 48000 * seconds)).astype(np.float32) / 20
    with av.open(f"file:{path}", "w") as container:
        video = container.add_stream("ffv1", rate=8)
        video.height, video.width, video.pix_fmt = *picture.shape[:2], "yuv420p10le"
        context = video.codec_context
        context.time_base = Fraction(1, 8)
        context.color_trc, context.color_primaries = (
            TRANSFERS[tags.transfer],
            PRIMARIES[tags.primaries],
        )
        context.colorspace, context.color_range = MATRICES[tags.matrix][0] if tags.matrix else 2, 1
        audio = container.add_stream("flac", rate=48000)
        audio.layout, audio.format = "4.0", "s16"
        for number in range(8 * seconds):
            frame = av.VideoFrame.from_ndarray(rows, format="yuv420p10le")
            frame.pts, frame.time_base = number, Fraction(1, 8)
            for name in ("color_trc", "color_primaries", "colorspace", "color_range"):
                setattr(frame, name, getattr(context, name))
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        samples = np.ascontiguousarray((field * 32767).astype(np.int16).T.reshape(1, -1))
        block = av.AudioFrame.from_ndarray(samples, format="s16", layout="4.0")
        block.sample_rate, block.pts, block.time_base = 48000, 0, Fraction(1, 48000)
        container.mux(audio.encode(block))
        container.mux(audio.encode(None))
    return path


def patches(image: np.ndarray) -> np.ndarray:
    """Return the colour in the middle of each patch, (16, ...)."""
    size = image.shape[1] // 8
    middle = slice(size // 2 - 1, size // 2 + 1)
    rows = image.reshape(2, image.shape[0] // 2, 8, size, *image.shape[2:])[:, :, :, middle]
    height = rows.shape[1]
    rows = rows[:, height // 2 - 1 : height // 2 + 1]
    return rows.mean(axis=(1, 3)).reshape(16, *image.shape[2:])


def clip_colors(folder: Path, it: Source) -> np.ndarray:
    """Return the patches of a clip as R'G'B' in [0, 1], by the BT.709 formula."""
    form = ClipFormat(width=256, height=128, fps=8, crf=1)
    convert_clip(it, ClipRequest(0.0, 1.0, folder / "clip.mp4", folder / "clip.flac"), form)
    with av.open(str(folder / "clip.mp4")) as container:
        frame = next(container.decode(video=0))
        assert (frame.colorspace, frame.color_range) == (1, 1)
        planes = frame.to_ndarray().astype(float)
    height, width = 128, 256
    luma = (planes[:height] - 16) / 219
    chroma = (planes[height:].reshape(2, height // 2, width // 2) - 128) / 224
    cb, cr = chroma.repeat(2, 1).repeat(2, 2)
    red, blue = luma + 1.5748 * cr, luma + 1.8556 * cb
    green = (luma - 0.2126 * red - 0.0722 * blue) / 0.7152
    return patches(np.stack([red, green, blue], -1))


def test_curves_have_the_values_of_the_recommendations():
    """ITU-R BT.2408: 18 % grey is 26 cd/m² and diffuse white 203, at these PQ and HLG signals."""
    np.testing.assert_allclose(pq_to_nits(np.array([0, 0.38, 0.5081, 0.5807, 0.7518, 1.0])),
                               [0, 26, 100, 203, 1000, 10000], rtol=0.02)  # fmt: skip
    greys = np.array([0, 0.38, 0.75, 1.0])[:, None].repeat(3, 1)
    np.testing.assert_allclose(hlg_to_nits(greys)[:, 0], [0, 26, 203, 1000], rtol=0.02)


def test_tone_curve_keeps_shadows_and_brings_the_peak_to_white():
    light = np.linspace(0, 1000 / 203, 500)
    result = compress(light)
    np.testing.assert_array_equal(result[light <= 0.5], light[light <= 0.5])
    assert (np.diff(result) > 0).all() and (np.diff(result, 2) < 1e-12).all()
    assert result[-1] == pytest.approx(1.0)


@pytest.mark.parametrize(("signal", "tags"), [(0.5807, PQ), (0.75, HLG)])
def test_diffuse_white_comes_out_near_white(signal, tags):
    assert to_sdr(np.full(3, signal), tags) == pytest.approx(0.89, abs=0.01)


def test_colors_of_bt709_inside_a_wide_gamut_come_back():
    np.testing.assert_allclose(to_sdr(SIGNALS, BT709), SIGNALS)
    # Red of BT.709 in BT.2020 (Rec. ITU-R BT.2087).
    red = np.array([0.6274, 0.0691, 0.0164]) ** (1 / 2.4)
    np.testing.assert_allclose(to_sdr(red, BT2020) ** 2.4, [1, 0, 0], atol=1e-3)


@pytest.mark.parametrize("tags", [PQ, HLG, BT2020, P3], ids=["pq", "hlg", "bt2020", "p3"])
def test_clip_frames_and_probes_show_the_mapped_colors(tmp_path, tags):
    path = write_patches(tmp_path / "video.mkv", tags, seconds=2)
    it, wanted = open_source(path), to_sdr(SIGNALS, tags)
    np.testing.assert_allclose(clip_colors(tmp_path, it), wanted, atol=TOLERANCE)
    with open_media(path) as container:
        frame = next(container.decode(video=0))
        colors = sdr_frame(frame, frame.width, frame.height)
    np.testing.assert_allclose(patches(colors), wanted, atol=TOLERANCE)
    luma = wanted @ np.array([0.2126, 0.7152, 0.0722])
    probe_frames = next(read_frame_triplets(path)).frames
    assert probe_frames.shape[1:] == (HEIGHT, WIDTH)
    np.testing.assert_allclose(patches(probe_frames[0]) / 255, luma, atol=TOLERANCE)


def transcode(tmp_path: Path, tags: ColorTags, options: list[str]) -> Path:
    """Write patches, and return what FFmpeg makes of them."""
    lossless, path = write_patches(tmp_path / "lossless.mkv", tags), tmp_path / "video.mkv"
    names = ["-i", lossless, "-c:v", *options, "-c:a", "copy", path]
    subprocess.run([ffmpeg.ffmpeg_binary(), "-loglevel", "error", *names], check=True)
    return path


@pytest.mark.parametrize(
    "options",
    [["libx265", "-crf", "4", "-preset", "ultrafast"], ["libvpx-vp9", "-lossless", "1"]],
    ids=["hevc", "vp9"],
)
def test_codecs_of_hdr_are_recognized(tmp_path, options):
    path = transcode(tmp_path, PQ, options)
    assert probe(path).video[0].color == PQ
    it = open_source(path)
    np.testing.assert_allclose(clip_colors(tmp_path, it), to_sdr(SIGNALS, PQ), atol=TOLERANCE)


@pytest.mark.parametrize(
    "filters",
    [
        "scale=out_color_matrix=smpte170m,format=yuv420p",
        "scale=out_color_matrix=bt2020,format=yuv420p",
        "scale=out_color_matrix=bt709:out_range=pc,format=yuvj420p",
        "scale=out_color_matrix=smpte170m:out_range=pc,format=yuv444p",
        "format=bgr0",
    ],
)
def test_sdr_of_any_matrix_and_range_keeps_its_colors(tmp_path, filters):
    it = open_source(transcode(tmp_path, BT709, ["ffv1", "-vf", filters]))
    np.testing.assert_allclose(clip_colors(tmp_path, it), SIGNALS, atol=TOLERANCE)


def test_hdr_without_primaries_and_matrix_is_bt2020(tmp_path):
    path = write_patches(tmp_path / "video.mkv", ColorTags("arib-std-b67", "", ""))
    np.testing.assert_allclose(
        clip_colors(tmp_path, open_source(path)), to_sdr(SIGNALS, HLG), atol=TOLERANCE
    )


def test_facts_and_probe_tell_what_was_done(tmp_path):
    path = write_patches(tmp_path / "video.mkv", PQ)
    color = open_source(path).facts()["video"]["color"]
    assert color["dynamic_range"] == "PQ" and color["primaries"] == "bt2020"
    assert color["tone_mapping"] == {
        "operator": "mobius", "knee": 0.5, "peak_nits": 1000.0, "white_nits": 203.0,
    }  # fmt: skip
    choice = select_audio(path)
    assert as_values(choice)["video"][0]["dynamic_range"] == "PQ"
    assert any("PQ" in line and "tone mapped" in line for line in describe(choice))


def test_plain_sdr_has_no_facts_about_colors(tmp_path):
    path = write_patches(tmp_path / "video.mkv", BT709)
    assert "color" not in open_source(path).facts()["video"]


def test_colors_that_cannot_be_converted_are_refused(tmp_path):
    path = write_patches(tmp_path / "video.mkv", ColorTags("linear", "bt709", "bt709"))
    with pytest.raises(BadItem, match="linear") as caught:
        open_source(path)
    assert caught.value.reason == "unsupported-color"


@pytest.mark.parametrize("matrix", ["ictcp", "ipt-c2", "bt2020c", "ycgco"])
def test_matrices_that_the_scaler_does_not_know_are_refused(matrix):
    with bad_item("unsupported-color"):
        ColorTags("smpte2084", "bt2020", matrix).check()


def test_ffmpeg_without_tone_mapping_refuses_hdr_only(tmp_path, monkeypatch):
    monkeypatch.setattr(source, "missing_color_filters", lambda _: ffmpeg.COLOR_FILTERS)
    with pytest.raises(BadItem, match="zscale or tonemap") as caught:
        open_source(write_patches(tmp_path / "hdr.mkv", PQ))
    assert caught.value.reason == "no-tone-mapping"
    open_source(write_patches(tmp_path / "sdr.mkv", BT709))
