"""Speech is heard, and what is not speech is not; the network is that of the package."""

import sys

import numpy as np
import pytest
from quality.sound_sources import engine, noise

from yt360.quality.speech import LABEL, SAMPLE_RATE_HZ, load_speech_tagger, weights_path

if weights_path() is None:
    pytest.skip("silero-vad is not installed", allow_module_level=True)


def probability(mono: np.ndarray) -> np.ndarray:
    return load_speech_tagger()(mono.astype(np.float32))[LABEL]


def test_speech_is_told_from_other_sound_over_time() -> None:
    narration = pytest.importorskip("quality.narration", exc_type=ImportError)
    pytest.importorskip("espeakng_loader")
    rng = np.random.default_rng(3)
    count = 4 * SAMPLE_RATE_HZ
    speech = 0.05 * narration.narration(rng, count, SAMPLE_RATE_HZ)
    found = probability(np.concatenate([speech, np.zeros(count)]))
    assert len(found) == 250
    assert found[5:120].mean() > 0.8
    assert found[135:].max() < 0.2
    for maker in (noise, engine):
        assert probability(0.05 * maker(rng, count, SAMPLE_RATE_HZ)).max() < 0.5


def test_the_network_equals_the_one_of_torch() -> None:
    import torch
    from safetensors.torch import load_file
    from torch.nn import LSTMCell
    from torch.nn.functional import conv1d, pad

    w = load_file(weights_path())
    cell = LSTMCell(128, 128)
    cell.load_state_dict(
        {name.removeprefix("lstm_cell."): w[name] for name in w if name.startswith("lstm")}
    )
    mono = np.random.default_rng(0).standard_normal(5 * 512 - 100).astype(np.float32) * 0.1
    stream = pad(torch.from_numpy(mono), (64, 100))
    state, expected = None, []
    with torch.no_grad():
        for start in range(0, 5 * 512, 512):
            x = pad(stream[None, None, start : start + 576], (0, 64), mode="reflect")
            x = conv1d(x, w["stft_conv.weight"], stride=128)
            x = torch.sqrt(x[:, :129] ** 2 + x[:, 129:] ** 2)
            for name, stride in (("conv1", 1), ("conv2", 2), ("conv3", 2), ("conv4", 1)):
                x = conv1d(x, w[f"{name}.weight"], w[f"{name}.bias"], stride, padding=1).relu()
            state = cell(x[..., 0], state)
            x = conv1d(state[0][..., None].relu(), w["final_conv.weight"], w["final_conv.bias"])
            expected.append(float(x.sigmoid()))
    np.testing.assert_allclose(probability(mono), expected, atol=1e-5)


def test_neither_torch_nor_the_package_is_imported() -> None:
    import subprocess

    code = (
        "import sys, numpy as np; from yt360.quality.speech import load_speech_tagger as load; "
        "load()(np.zeros(1600, np.float32)); print({'torch', 'silero_vad'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"
