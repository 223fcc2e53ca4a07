"""Narrations: speech from the synthesizer eSpeak NG, and how it is mixed over a recording."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Literal

import numpy as np
import soxr
from numpy.typing import NDArray
from scipy.signal import oaconvolve

from quality.sound_fields import AudioArray
from quality.sound_sources import Signal

Way = Literal["w", "middle-side", "left-right"]

SENTENCES = {
    "en": (
        "We are standing on the bridge of the old town.",
        "On the left you can see the river, and behind us is the cathedral.",
        "In this video I will show you how we record sound with this camera.",
        "The temperature today is about fifteen degrees, and the wind comes from the west.",
    ),
    "de": (
        "Wir stehen auf der Brücke der alten Stadt.",
        "Links sehen Sie den Fluss, und hinter uns liegt der Dom.",
        "In diesem Video zeige ich Ihnen, wie wir mit dieser Kamera aufnehmen.",
    ),
    "es": (
        "Estamos en el puente del casco antiguo.",
        "A la izquierda se ve el río, y detrás está la catedral.",
        "En este video les muestro cómo grabamos el sonido.",
    ),
    "fr": (
        "Nous sommes sur le pont de la vieille ville.",
        "A gauche vous voyez la rivière, et derrière nous la cathédrale.",
    ),
}
VOICES = ("m1", "m3", "m7", "f2", "f3", "f4")

# espeak-ng/speak_lib.h
_SYNCHRONOUS, _UTF8, _RATE, _PITCH = 2, 1, 1, 3


@cache
def _espeak() -> tuple[ctypes.CDLL, int]:
    """Return the library and its sample rate."""
    import espeakng_loader

    library = ctypes.CDLL(espeakng_loader.get_library_path())
    data = str(espeakng_loader.get_data_path()).encode()
    rate_hz = library.espeak_Initialize(_SYNCHRONOUS, 0, data, 0)
    if rate_hz <= 0:
        raise RuntimeError(f"eSpeak NG does not start with the data in {data.decode()}")
    return library, rate_hz


def speak(text: str, voice: str = "en", words_per_minute: int = 160, pitch: int = 50) -> Signal:
    """Return synthesized speech (S,) at the rate of eSpeak NG.

    Args:
        text: What to say.
        voice: Language and variant, such as ``"en+f3"``.
        words_per_minute: Speed.
        pitch: 0 to 99.
    """
    library, _ = _espeak()
    pieces: list[NDArray[np.int16]] = []

    @ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
    def receive(samples: ctypes.Array, count: int, _: object) -> int:
        if samples and count > 0:
            pieces.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0

    library.espeak_SetSynthCallback(receive)
    if library.espeak_SetVoiceByName(voice.encode()) != 0:
        raise ValueError(f"eSpeak NG has no voice {voice!r}")
    library.espeak_SetParameter(_RATE, words_per_minute, 0)
    library.espeak_SetParameter(_PITCH, pitch, 0)
    encoded = text.encode()
    library.espeak_Synth(encoded, len(encoded) + 1, 0, 0, 0, _UTF8, None, None)
    library.espeak_Synchronize()
    return np.concatenate(pieces) / 32768.0


def narration(rng: np.random.Generator, samples: int, rate_hz: int, share: float = 1.0) -> Signal:
    """Return sentences with short pauses (S,), with a root mean square of 1 while it speaks.

    Args:
        rng: Source of randomness.
        samples: Length.
        rate_hz: Sampling rate.
        share: Share of the time between the first and the last word.
    """
    language = str(rng.choice(list(SENTENCES)))
    voice = f"{language}+{rng.choice(VOICES)}"
    speed, pitch = int(rng.integers(130, 190)), int(rng.integers(35, 65))
    start = int(rng.uniform(0, 1 - share) * samples)
    stop = start + int(share * samples)
    result = np.zeros(samples)
    while start < stop:
        said = speak(str(rng.choice(SENTENCES[language])), voice, speed, pitch)
        said = soxr.resample(_trimmed(said), _espeak()[1], rate_hz)[: stop - start]
        result[start : start + len(said)] = said
        start += len(said) + int(rng.uniform(0.15, 0.6) * rate_hz)
    power = oaconvolve(result**2, np.full(rate_hz // 30, 30 / rate_hz), mode="same")
    speaks = power > 0.0025 * power.max()
    return np.asarray(result / np.sqrt(np.mean(result[speaks] ** 2)))


def mixed_over(
    rng: np.random.Generator, audio: AudioArray, speech: Signal, level_db: float, way: Way
) -> AudioArray:
    """Return ambiX (4, S) with speech mixed over it.

    Args:
        rng: Source of randomness.
        audio: The recording (4, S).
        speech: Speech (S,) with a root mean square of 1.
        level_db: Level of the speech relative to W.
        way: ``"w"``: into W alone. Otherwise as stereo, a little off the centre and with some room,
            of which W and Y are middle and side, or left and right.
    """
    gain = 10 ** (level_db / 20) * np.sqrt(np.mean(audio[0] ** 2))
    result = audio.copy()
    if way == "w":
        result[0] += gain * speech
        return result
    pan = rng.uniform(-0.25, 0.25)
    left, right = (
        speech * (1 + sign * pan) + 10 ** (-15 / 20) * _room(rng, speech) for sign in (1, -1)
    )
    if way == "middle-side":
        left, right = (left + right) / 2, (left - right) / 2
    result[0] += gain * left
    result[1] += gain * right
    return result


def _room(rng: np.random.Generator, speech: Signal) -> Signal:
    """Return the reverberation of speech, as loud as it."""
    decay = 10 ** (-3 * np.linspace(0, 1, 7200)) * rng.standard_normal(7200)
    wet = oaconvolve(speech, decay)[: len(speech)]
    return np.asarray(wet * np.sqrt(np.mean(speech**2) / np.mean(wet**2)))


def _trimmed(signal: Signal) -> Signal:
    loud = np.flatnonzero(np.abs(signal) > 0.01 * np.abs(signal).max())
    return signal[loud[0] : loud[-1] + 1]
