"""Renamed keys of recipes: old name -> new name. ``*`` stands for the name of a stage.

An old key is refused with the new name; the keys of a renamed section follow it.
"""

from __future__ import annotations

import re

RENAMED = {
    "audio.bands": "audio.n_mels",
    "audio.drop_last": "audio.drop_last_frame",
    "audio.hop": "audio.hop_length",
    "audio.inputs": "audio.channels",
    "audio.window": "audio.n_fft",
    "audio_encoder": "encoders.audio",
    "checkpoint.every": "checkpoint.every_steps",
    "checkpoint.keep": "checkpoint.keep_last",
    "compute.batch_norm_parts": "compute.batch_norm_splits",
    "data.moment_gap_s": "data.window_gap_s",
    "data.moments": "data.windows_per_clip",
    "data.num_threads": "data.num_workers",
    "data.threads": "data.num_workers",
    "encoders.audio.stages": "encoders.audio.num_stages",
    "encoders.audio.width": "encoders.audio.base_channels",
    "encoders.video.stages": "encoders.video.num_stages",
    "encoders.video.width": "encoders.video.base_channels",
    "optimizer.final_lr_share": "optimizer.final_lr_fraction",
    "optimizer.gradient_clip": "optimizer.max_grad_norm",
    "plan": "sampling",
    "sampling.sampling": "sampling.unit",
    "stages.*.moments": "stages.*.windows_per_clip",
    "stages.*.task.contrast": "stages.*.task.info_nce",
    "stages.*.task.head_dim": "stages.*.task.embedding_dim",
    "stages.*.task.info_nce.chunk": "stages.*.task.info_nce.chunk_size",
    "stages.*.task.info_nce.clip_weight": "stages.*.task.info_nce.within_clip_weight",
    "stages.*.task.info_nce.proposals": "stages.*.task.info_nce.negatives",
    "validation.every": "validation.every_steps",
    "video_encoder": "encoders.video",
    "views.guided_share": "views.saliency_fraction",
    "views.mirror_probability": "views.hflip_probability",
    "views.sound_frame": "views.audio_rotation",
    "views.volume_jitter_db": "views.gain_jitter_db",
    "views.volume_per_view": "views.gain_per_view",
}


def new_name(key: str) -> str | None:
    """Return the new name of a dotted key such as ``audio.bands``; None if it was not renamed."""
    pattern = re.sub(r"^stages\.[^.]+", "stages.*", key)
    new = RENAMED.get(pattern)
    return new and new.replace("stages.*", ".".join(key.split(".")[:2]))
