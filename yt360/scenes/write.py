"""Write scenes as media files with ground truth."""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray

from yt360.errors import UserError
from yt360.execution.local import Crashed, Pool, WorkerPool
from yt360.files import atomic_write
from yt360.scenes.audio.ambix import render_audio
from yt360.scenes.folder import SceneFolder
from yt360.scenes.video.encode import encode_video
from yt360.scenes.video.frames import render, render_classes
from yt360.scenes.world.parameters import SceneFormat, SceneParameters
from yt360.scenes.world.sampling import sample_scene, scene_name
from yt360.scenes.world.scene import Scene
from yt360.terminal.progress import Progress

MakePool = Callable[[int], AbstractContextManager[Pool]]


def write_scenes(
    path: Path,
    count: int,
    seed: int,
    parameters: SceneParameters,
    form: SceneFormat,
    workers: int = 1,
    make_pool: MakePool = WorkerPool,
) -> int:
    """Render scenes 0 to `count` - 1 of a seed into a folder, except for those that are complete.

    Args:
        path: The folder: new, empty, or with scenes of the same parameters and format.
        count: Number of scenes.
        seed: Seed of the collection, at least 0; one folder may hold several collections.
        parameters: Difficulty.
        form: Format of the files.
        workers: Number of processes.
        make_pool: Creates the worker pool. A single process of this machine is this process.

    Returns:
        The number of scenes that were rendered.

    Raises:
        UserError: A negative seed, a folder that holds something else, or a process died.
    """
    folder = SceneFolder(path, parameters, form)
    folder.check()
    names = [scene_name(seed, k, parameters.pool) for k in range(count)]
    missing = [k for k, name in enumerate(names) if not folder.is_complete(name)]
    with _open_pool(len(missing), workers, make_pool) as pool:
        folder.prepare()
        with Progress("scenes", count, "scenes", done=count - len(missing)) as progress:
            for _ in _render(partial(_render_scene, folder, seed), missing, pool):
                progress.advance()
    listed = folder.listed()
    new = [k for k, name in enumerate(names) if name not in listed]
    folder.describe([_facts(sample_scene(seed, k, parameters, form.duration_s)) for k in new])
    return len(missing)


def write_scene(folder: SceneFolder, scene: Scene) -> None:
    """Render one scene and write its files, each of them atomically."""
    form = folder.form
    audio_file, truth_file, video_file = folder.files(scene.name)
    times = np.arange(form.num_frames) / form.fps
    audio = render_audio(scene, form.num_samples, form.sample_rate_hz)
    samples = np.rint(np.clip(audio.ambix.T, -1, 1) * 32767).astype(np.int16)
    flac = io.BytesIO()  # libsndfile would hide an error of a file, such as a full disk
    soundfile.write(flac, samples, form.sample_rate_hz, format="FLAC", subtype="PCM_16")
    with atomic_write(audio_file) as file:
        file.write(flac.getbuffer())
    with atomic_write(truth_file) as file:
        np.savez_compressed(file, allow_pickle=False, **truth(scene, form, audio.gain_db))
    frames = render(scene, times, form.height, form.width)
    with atomic_write(video_file) as file:
        file.write(encode_video(frames, form.fps, form.crf))


def truth(scene: Scene, form: SceneFormat, gain_db: float) -> dict[str, NDArray[Any]]:
    """Return the ground truth of a scene as arrays.

    With T frames, N objects (sources first), M onsets and L class maps:

    - ``times`` (T,), ``directions`` (T, N, 3), ``radii`` (T, N): seconds, unit vectors (x front,
      y left, z up), radians
    - ``class_ids`` (N,), ``class_names`` (N,): panoptic numbers and names of COCO
    - ``sounding`` (N,), ``flashing`` (N,), ``levels_db`` (N,)
    - ``onset_times`` (M,), ``onset_objects`` (M,): onsets in seconds, and indices of their objects
    - ``segmentation`` (L, H, W), ``segmentation_times`` (L,): panoptic numbers as in
      `yt360.scenes.world.classes`
    - ``gain_db`` (): gain that keeps the audio from clipping, usually 0
    - ``reverberation_s`` (): reverberation time, 0 if dry

    Args:
        scene: The scene.
        form: Format of its files.
        gain_db: From `render_audio`.
    """
    times = np.arange(form.num_frames) / form.fps
    map_times = np.arange(0, form.num_frames / form.fps, 1 / form.segmentation_fps)
    objects = scene.objects
    onsets = [item.onsets[item.onsets >= 0] for item in objects]
    return {
        "times": times,
        "directions": scene.directions(times).astype(np.float32),
        "radii": np.stack([item.radius_at(times) for item in objects], -1).astype(np.float32),
        "class_ids": scene.class_ids,
        "class_names": np.array([item.kind.name for item in objects]),
        "sounding": scene.sounding,
        "flashing": np.array([item.flashing for item in objects]),
        "levels_db": np.array([item.level_db for item in objects], dtype=np.float32),
        "onset_times": np.concatenate(onsets),
        "onset_objects": np.repeat(np.arange(len(objects)), [len(part) for part in onsets]),
        "segmentation": render_classes(scene, map_times, form.height, form.width),
        "segmentation_times": map_times,
        "gain_db": np.array(gain_db),
        "reverberation_s": np.array(scene.reverberation_s),
    }


def _render_scene(folder: SceneFolder, seed: int, index: int) -> None:
    write_scene(folder, sample_scene(seed, index, folder.parameters, folder.form.duration_s))


def _open_pool(
    count: int, workers: int, make_pool: MakePool
) -> AbstractContextManager[Pool | None]:
    """Return the pool for a number of scenes; None if this process renders them."""
    if count == 0 or (make_pool is WorkerPool and (workers == 1 or count < 2)):
        return nullcontext()
    return make_pool(min(workers, count))


def _render(
    task: Callable[[int], None], numbers: Sequence[int], pool: Pool | None
) -> Iterator[None]:
    """Run a task for each number; yield after each."""
    if pool is None:
        yield from map(task, numbers)
        return
    for number, result in pool.run(partial(_in_one_thread, task), deque(numbers)):
        if isinstance(result, Crashed):
            raise UserError(
                f"scene {number}: {result.describe()}, possibly because memory ran out; "
                "run the same command again with fewer --workers",
                code="system",
                key="--workers",
            )
        yield


def _in_one_thread(task: Callable[[int], None], number: int) -> None:
    torch.set_num_threads(1)  # there is a process per core
    task(number)


def _facts(scene: Scene) -> dict[str, Any]:
    return {
        "name": scene.name,
        "seed": scene.seed,
        "index": scene.index,
        "place": scene.place.name,
        "light": scene.place.light,
        "sources": [item.kind.name for item in scene.objects if item.source is not None],
        "silent": [item.kind.name for item in scene.objects if item.source is None],
    }
