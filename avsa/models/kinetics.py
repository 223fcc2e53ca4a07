"""The R(2+1)D-18 of torchvision, as trained on Kinetics-400: a supervised reference.

Its residual blocks have other middle widths than those of `avsa.models.r2plus1d`, so its weights do
not fit there. It is no entry of the registry of encoders, since nothing is trained with it from
scratch.

Shapes: B batch, T frames, H height, W width.
"""

from __future__ import annotations

import os
from pathlib import Path

import torch
from torch import Tensor, nn

from avsa.views.colors import RGB_MEAN, RGB_STD
from yt360.errors import UserError
from yt360.untrusted.torch_files import is_weights, read_torch

KINETICS_MEAN = (0.43216, 0.394666, 0.37645)
KINETICS_STD = (0.22803, 0.22145, 0.216989)


class KineticsEncoder(nn.Module):
    """Standardized RGB (B, 3, T, H, W), as other encoders get it, to features (B, 512)."""

    feature_dim = 512

    def __init__(self) -> None:
        from torchvision.models.video import r2plus1d_18  # here, because it imports for seconds

        super().__init__()
        self.network = r2plus1d_18(weights=None)
        self.network.fc = nn.Identity()

    def forward_maps(self, video: Tensor) -> list[Tensor]:
        """Return the maps of the four stages: (B, 64 * 2**i, T / 2**i, H / 2**(i + 1), ...)."""
        maps = [self.network.stem(_restandardized(video))]
        for stage in (
            self.network.layer1,
            self.network.layer2,
            self.network.layer3,
            self.network.layer4,
        ):
            maps.append(stage(maps[-1]))
        return maps[1:]

    def forward(self, video: Tensor) -> Tensor:
        """Return the maximum over time and space, as of other encoders."""
        return self.forward_maps(video)[-1].amax(dim=(2, 3, 4))


def load_kinetics(weights: Path | None = None) -> KineticsEncoder:
    """Return the network with the weights of torchvision.

    Args:
        weights: The file; by default where torchvision keeps what it downloads.

    Raises:
        UserError: ``"missing"``: There is no such file. ``"invalid"``: It is another one.
    """
    path = weights or default_weights()
    if not path.is_file():
        raise UserError(
            f"the Kinetics weights {path} do not exist; download them from "
            f"{_weights_url()}, or give --kinetics-weights FILE",
            "missing",
            "--kinetics-weights",
        )
    try:
        state = read_torch(path)
        if not is_weights(state):
            raise ValueError("it is not a table of named tensors")
        encoder = KineticsEncoder()
        state = {name: each for name, each in state.items() if not name.startswith("fc.")}
        encoder.network.load_state_dict(state)
    except (ValueError, OSError, RuntimeError) as error:
        first = str(error).splitlines()[0]
        raise UserError(
            f"{path} does not hold the weights of torchvision's r2plus1d_18 ({first}); get the "
            "file of R2Plus1D_18_Weights.KINETICS400_V1",
            key=path,
        ) from None
    return encoder


def default_weights() -> Path:
    """Return where torchvision keeps the file."""
    name = os.path.basename(_weights_url())  # noqa: PTH119 - a URL
    return Path(torch.hub.get_dir()) / "checkpoints" / name


def _weights_url() -> str:
    from torchvision.models.video import R2Plus1D_18_Weights

    return str(R2Plus1D_18_Weights.KINETICS400_V1.url)


def _restandardized(video: Tensor) -> Tensor:
    """Return RGB with the mean and deviation of Kinetics instead of those of our views."""
    ours, theirs = (
        [video.new_tensor(each).view(3, 1, 1, 1) for each in pair]
        for pair in ((RGB_MEAN, RGB_STD), (KINETICS_MEAN, KINETICS_STD))
    )
    return (video * ours[1] + ours[0] - theirs[0]) / theirs[1]
