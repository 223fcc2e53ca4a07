"""avsa: learn audio-visual representations from 360° video by spatial alignment.

The names below are the public interface; each is imported when it is first used, so
``import avsa`` takes no time.

>>> import avsa  # doctest: +SKIP
>>> model = avsa.load("runs/avsa")  # doctest: +SKIP
>>> features = model.embed(video, audio)  # doctest: +SKIP
>>> loss = avsa.InfoNCE(temperature=0.07)(predictions, targets)  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from yt360.lazy_names import lazy_names

if TYPE_CHECKING:
    from avsa.hub.load import Embedding, Model, load
    from avsa.tasks.infonce import InfoNCE
    from avsa.views.crops import crop_views
    from avsa.views.sampling import ViewConfig, Views, draw_views
    from avsa.views.spectrogram import AudioConfig, log_mels
    from avsa.views.view_spectrograms import view_spectrograms

__version__ = "0.1.0"
__all__ = [
    "AudioConfig",
    "Embedding",
    "InfoNCE",
    "Model",
    "ViewConfig",
    "Views",
    "__version__",
    "crop_views",
    "draw_views",
    "load",
    "log_mels",
    "view_spectrograms",
]

_HOMES = {
    "AudioConfig": "avsa.views.spectrogram",
    "Embedding": "avsa.hub.load",
    "InfoNCE": "avsa.tasks.infonce",
    "Model": "avsa.hub.load",
    "ViewConfig": "avsa.views.sampling",
    "Views": "avsa.views.sampling",
    "crop_views": "avsa.views.crops",
    "draw_views": "avsa.views.sampling",
    "load": "avsa.hub.load",
    "log_mels": "avsa.views.spectrogram",
    "view_spectrograms": "avsa.views.view_spectrograms",
}

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
