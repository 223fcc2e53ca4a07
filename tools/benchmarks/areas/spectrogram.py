"""Log-mels of views."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torchaudio

from avsa.views.view_spectrograms import view_spectrograms
from benchmarks import paper
from benchmarks.case import Case, Ratio
from benchmarks.material import RATE_HZ, Material
from benchmarks.samples import AUDIO, UNSCALED, random_views
from yt360.ambisonics.transforms import rotate
from yt360.clip_codec.decoder import ClipDecoder, locate_audio

DRAWN = 20
"""Different views; later inputs repeat them."""


def cases(material: Material) -> Iterator[Case]:
    """Yield the cases."""
    yield log_mel_case(material)


def log_mel_case(material: Material) -> Case:
    """Compute the log-mels of four channels of four views, from a second of ambiX."""
    samples = torch.empty((1, 4, RATE_HZ), dtype=torch.int16)
    located = locate_audio(material.clips.read(0, "flac"), 60000, RATE_HZ, 4)
    ClipDecoder().decode_audio(*located, samples[0].numpy())
    audio = samples[0].float() / 32768
    rotations = [random_views(number).rotations for number in range(DRAWN)]
    window = torch.hann_window(AUDIO.n_fft)
    transform = torchaudio.transforms.MelSpectrogram(
        RATE_HZ, 512, hop_length=240, n_mels=128, power=1.0, norm="slaney", mel_scale="slaney"
    )
    to_decibels = torchaudio.transforms.AmplitudeToDB("magnitude", top_db=100)

    def ours(number: int) -> object:
        statistics = UNSCALED.mean_db, UNSCALED.std_db
        return view_spectrograms(samples, rotations[number % DRAWN], AUDIO, *statistics)

    def transforms_alone(_: int) -> object:
        sizes = AUDIO.n_fft, AUDIO.hop_length
        return torch.stft(audio, *sizes, window=window, pad_mode="reflect", return_complex=True)

    def by_torchaudio(number: int) -> object:
        return to_decibels(transform(rotate(audio, rotations[number % DRAWN][0])))

    def by_librosa(number: int) -> object:
        return paper.view_log_mels(audio.numpy(), rotations[number % DRAWN][0].numpy(), RATE_HZ)

    return Case(
        "log-mels: 4 views x 4 channels of 1 s",
        {
            "log-mels": ours,
            "the four STFTs alone": transforms_alone,
            "torchaudio": by_torchaudio,
            "librosa, each channel and view": by_librosa,
        },
        [
            Ratio("log-mels", "the four STFTs alone", at_most=4),
            Ratio("torchaudio", "log-mels", higher_is_better=True),
            Ratio("librosa, each channel and view", "log-mels", at_least=10),
        ],
        inputs=DRAWN,
    )
