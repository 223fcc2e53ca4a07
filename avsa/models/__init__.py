"""Models: encoders of video and audio, and translation networks.

To add an encoder, write a module with a config class (`base.VideoEncoderConfig` or
`base.AudioEncoderConfig`) and a network::

    @VIDEO_ENCODERS.register
    @config_class
    class MyEncoderConfig:
        '''What it is, in one line.'''
        kind: Literal["my-encoder"] = "my-encoder"
        '''Name of the encoder.'''
        feature_dim: Annotated[int, Field(ge=1, le=4096)] = 512
        '''Length of a feature vector.'''
        def build(self): return MyEncoder(self)

and name the module with ``--plugin``. Built-in ones have a line in the tables below instead of the
decorator. `docs/extending.md` has a complete example.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from yt360.registry import Entry, Registry

if TYPE_CHECKING:
    from avsa.models.base import AudioEncoderConfig, VideoEncoderConfig

VIDEO_ENCODERS: Registry[VideoEncoderConfig] = Registry(
    "video encoder",
    "avsa.video_encoders",
    Entry(
        "r2plus1d",
        "avsa.models.r2plus1d:R2Plus1DConfig",
        "R(2+1)D, a 3-D residual network with factorized convolutions.",
    ),
)
"""All encoders of video by name."""

AUDIO_ENCODERS: Registry[AudioEncoderConfig] = Registry(
    "audio encoder",
    "avsa.audio_encoders",
    Entry(
        "conv2d",
        "avsa.models.conv2d:Conv2DConfig",
        "A 2-D convolutional network over spectrograms.",
    ),
)
"""All encoders of audio by name."""
