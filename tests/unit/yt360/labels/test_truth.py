"""The ground truth of scenes as a segmenter: the views and their fusion lose nearly nothing."""

import numpy as np
import pytest
import torch

from yt360.errors import UserError
from yt360.labels.segmenters.base import ImageOrigin
from yt360.labels.segmenters.batches import Batches
from yt360.labels.segmenters.truth import TruthSegmenter
from yt360.labels.sphere.panorama import PanoramaLabeller
from yt360.labels.sphere.views import DEFAULT_VIEWS
from yt360.scenes.folder import SceneFolder
from yt360.scenes.world.parameters import PRESETS, SceneFormat
from yt360.scenes.world.sampling import sample_scene
from yt360.sphere import equirect_grid

NUMBER = 3


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    """A folder that lists scenes, without the media that rendering them would make."""
    folder = SceneFolder(tmp_path_factory.mktemp("scenes"), PRESETS["default"], SceneFormat())
    folder.prepare()
    drawn = [
        sample_scene(0, number, folder.parameters, folder.form.duration_s)
        for number in range(NUMBER)
    ]
    folder.describe([{"name": s.name, "seed": 0, "index": s.index} for s in drawn])
    return folder.path, drawn


@pytest.mark.parametrize("number", range(NUMBER))
def test_fused_views_are_the_truth_away_from_borders(scenes, paint, number):
    path, drawn = scenes
    height, at_s = 128, 1.25 + number
    labeller = PanoramaLabeller(Batches(TruthSegmenter(path), 8), DEFAULT_VIEWS, 128, height)
    blank = torch.zeros(1, height, 2 * height, 3, dtype=torch.uint8)
    (found,) = labeller.segment(blank, [f"{drawn[number].name}-00001"], [at_s], instances=False)
    grid = equirect_grid(height, 2 * height).numpy()
    truth = torch.from_numpy(np.asarray(drawn[number].class_at(grid, 1 + at_s)))
    right = found.classes == truth
    assert right[paint.away_from_borders(truth)].float().mean() > 0.998
    assert right.float().mean() > 0.98


def test_objects_are_told_apart(scenes):
    path, drawn = scenes
    grid = equirect_grid(64, 128)
    source = ImageOrigin(f"{drawn[0].name}-00000", 0.5, grid)
    (found,) = TruthSegmenter(path).segment(torch.zeros(1, 64, 128, 3), [source])
    assert ((found.instances > 0) == (found.classes < 80)).all()
    for number in range(1, int(found.instances.max()) + 1):
        assert len(torch.unique(found.classes[found.instances == number])) == 1


def test_facts_tell_folders_of_other_scenes_apart(scenes, tmp_path):
    path, _ = scenes
    facts = TruthSegmenter(path).facts
    same, other = tmp_path / "same", tmp_path / "other"
    SceneFolder(same, PRESETS["default"], SceneFormat()).prepare()
    SceneFolder(other, PRESETS["easy"], SceneFormat()).prepare()
    assert TruthSegmenter(same).facts == facts
    assert TruthSegmenter(other).facts != facts


@pytest.mark.parametrize(
    ("origin", "code"),
    [
        (ImageOrigin("scene-0000-0000-00000", 0.0), "unsupported"),
        (ImageOrigin("other-00000", 0.0, equirect_grid(4, 8)), None),
        (ImageOrigin("holiday", 0.0, equirect_grid(4, 8)), "invalid"),
    ],
    ids=["no panorama", "another scene", "not a clip"],
)
def test_images_from_elsewhere_have_no_truth(scenes, origin, code):
    path, _ = scenes
    image = torch.zeros(1, 4, 8, 3, dtype=torch.uint8)
    with pytest.raises(UserError) as raised:
        TruthSegmenter(path).segment(image, [origin])
    assert code in (None, raised.value.code)


def test_a_folder_without_scenes_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"scenes\.json"):
        TruthSegmenter(tmp_path)
