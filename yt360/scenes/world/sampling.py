"""Sample scenes from a seed: objects, motion and place."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from yt360.clips import DEFAULT_CLIP_S
from yt360.errors import UserError
from yt360.randomness import keyed_generator
from yt360.scenes.audio.voices import SoundSource, Voice, sample_onsets
from yt360.scenes.video.grounds import EYE_HEIGHT_M
from yt360.scenes.video.hall import Hall
from yt360.scenes.video.places import Place, sample_place
from yt360.scenes.world.classes import CLASSES, SILENT_CLASSES, SOUNDING_CLASSES
from yt360.scenes.world.motion import Motion, sample_motion, upright_axes
from yt360.scenes.world.objects import SceneObject
from yt360.scenes.world.parameters import PoolName, SceneParameters
from yt360.scenes.world.pools import Pool, scene_key
from yt360.scenes.world.scene import Scene

Array = NDArray[np.floating]
Generator = np.random.Generator

FARTHEST_M = 7.0
MAX_TRIES = 40


def scene_name(seed: int, index: int, pool: PoolName = "all") -> str:
    """Return the file stem of a scene, which names its pool unless it is ``all``.

    Seeds of more than four digits get at least six, because ``scene-12345-7`` is also the name of
    the clip at second 7 of the video with the 11-character id ``scene-12345``.
    """
    number = f"{seed:04d}-{index:04d}" if seed < 10**4 else f"{seed:06d}-{index:04d}"
    return f"scene-{number}" if pool == "all" else f"scene-{pool}-{number}"


def sample_scene(
    seed: int, index: int, parameters: SceneParameters, duration_s: float = DEFAULT_CLIP_S
) -> Scene:
    """Sample scene `index` of a collection; it does not depend on the others.

    Args:
        seed: Seed of the collection, at least 0.
        index: Number of the scene, at least 0.
        parameters: Difficulty.
        duration_s: Length in seconds.

    Raises:
        UserError: A negative seed or index.
    """
    if seed < 0 or index < 0:
        raise UserError(
            f"seed is {seed} and index {index}; give 0 or more", code="out-of-range", key="seed"
        )
    key = scene_key(seed, index, parameters.pool)
    pool = Pool(parameters.pool, parameters.instances)
    generator = keyed_generator(*key, "place")
    kind_of_place = str(generator.choice(list(parameters.places)))
    place = sample_place(pool.draw(generator, "place", kind_of_place), kind_of_place)
    room = pool.draw(keyed_generator(*key, "room"), "room", kind_of_place)
    roles = _sample_roles(keyed_generator(*key, "objects"), parameters)
    objects: list[SceneObject] = []
    for number, (name, sounding) in enumerate(roles):
        generator = keyed_generator(*key, "object", number)
        look, sound = pool.draw(generator, "look", name), pool.draw(generator, "voice", name)
        radius = float(np.deg2rad(look.uniform(*parameters.radius_deg)))
        motion = _sample_motion_apart(generator, radius, parameters, duration_s, objects)
        distance_m = _sample_distance(generator, place, motion, radius, duration_s)
        kind = CLASSES[name]
        voice = kind.voice if sounding else None
        rhythm = sample_onsets(generator, voice, duration_s, sound) if voice else None
        objects.append(
            SceneObject(
                kind=kind,
                motion=motion,
                radius=radius,
                distance_m=distance_m,
                hue_shift=float(look.uniform(-0.035, 0.035)),
                facing=int(look.choice([-1, 1])),
                spin=float(look.uniform(0.8, 3.0) * look.choice([-1, 1])),
                tilt=(float(look.uniform(0.02, 0.18)), float(look.uniform(0.15, 0.5))),
                flashing=sounding and bool(generator.random() < parameters.flashing_fraction),
                source=_source(voice, rhythm, pitch=float(2 ** sound.uniform(-0.3, 0.3))),
                level_db=float(generator.uniform(-1, 1) * parameters.level_spread_db),
            )
        )
    return Scene(
        name=scene_name(seed, index, parameters.pool),
        seed=seed,
        index=index,
        parameters=parameters,
        place=place,
        objects=tuple(objects),
        reverberation_s=float(room.uniform(*parameters.reverberation_s)),
    )


def _sample_roles(generator: Generator, parameters: SceneParameters) -> list[tuple[str, bool]]:
    """Sample the classes of the objects and whether they sound, sources first."""

    def count(limits: tuple[int, int]) -> int:
        return int(generator.integers(limits[0], limits[1] + 1))

    sources = generator.permutation(SOUNDING_CLASSES)[: count(parameters.sources)]
    lookalikes = generator.choice(SOUNDING_CLASSES, size=count(parameters.lookalikes))
    distractors = generator.choice(SILENT_CLASSES, size=count(parameters.distractors))
    roles = [(str(name), True) for name in sources]
    return roles + [(str(name), False) for name in (*lookalikes, *distractors)]


def _source(
    voice: Voice | None, rhythm: tuple[Array, float] | None, pitch: float
) -> SoundSource | None:
    return SoundSource(voice, *rhythm, pitch) if voice and rhythm else None


def _sample_motion_apart(
    generator: Generator,
    radius: float,
    parameters: SceneParameters,
    duration_s: float,
    others: list[SceneObject],
) -> Motion:
    """Sample a path that meets no other object; after `MAX_TRIES`, return the farthest one."""
    times = np.arange(0, duration_s + 0.25, 0.25)
    paths = [upright_axes(*item.motion.angles(times)).forward for item in others]
    best, best_gap = None, -np.inf
    for _ in range(MAX_TRIES):
        motion = sample_motion(
            generator,
            np.deg2rad(parameters.max_elevation_deg),
            np.deg2rad(parameters.speed_deg_per_s),
            parameters.still_fraction,
        )
        path = upright_axes(*motion.angles(times)).forward
        gaps = [
            np.arccos(np.clip((path * other).sum(-1).max(), -1, 1)) - radius - item.radius
            for other, item in zip(paths, others, strict=True)
        ]
        gap = min(gaps, default=np.inf)
        if gap > best_gap:
            best, best_gap = motion, gap
        if gap > 0:
            break
    assert best is not None, "at least one path was sampled"
    return best


def _sample_distance(
    generator: Generator, place: Place, motion: Motion, radius: float, duration_s: float
) -> float:
    """Sample a distance in m at which the object does not touch floor, walls or ceiling."""
    _, elevation = motion.angles(np.linspace(0, duration_s, 41))
    extent = np.tan(radius)
    reaches = [FARTHEST_M, EYE_HEIGHT_M / (extent + np.sin(max(0.0, -float(elevation.min()))))]
    if isinstance(place.backdrop, Hall):
        top = extent + np.sin(max(0.0, float(elevation.max())))
        reaches.append(place.backdrop.ceiling_m / top)
        reaches.append(float(place.backdrop.half_size_m.min()) / (1 + extent))
    return float(0.92 * min(reaches) * generator.uniform(0.6, 1.0))
