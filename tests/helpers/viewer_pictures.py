"""What a viewer in a browser draws, and what its pixels look at."""

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np
import torch
from PIL import Image

from yt360.sphere import equirect_grid, view_grid


def state(page: Any) -> dict[str, Any]:
    found: dict[str, Any] = page.evaluate("viewer.state()")
    return found


def picture(page: Any, settings: dict[str, Any], layers: list[str]) -> np.ndarray:
    """Return the drawn picture (H, W, 3) with only some layers."""
    page.evaluate(
        """async ([settings, layers]) => {
            for (const name of Object.keys(viewer.controls.state)) {
                viewer.controls.set(name, layers.includes(name));
            }
            await viewer.setState(settings);
            viewer.stage.start.hidden = true;
            viewer.stage.root.querySelectorAll(".vw-stage-buttons, .vw-corner, .vw-readout")
                .forEach((each) => { each.style.visibility = "hidden"; });
            // Two frames: the first one may fetch label maps.
            for (let i = 0; i < 2; i += 1) {
                await new Promise((done) => setTimeout(done, 50));
                await Promise.race([
                    new Promise(requestAnimationFrame),
                    new Promise((done) => setTimeout(done, 3000)),
                ]);
            }
        }""",
        [settings, layers],
    )
    png = page.locator(".vw-surface").screenshot()
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), np.int64)


def inner(image: np.ndarray) -> np.ndarray:
    """Return a picture with a black margin, since it has round corners beside white paper."""
    margin = 16
    framed = np.zeros_like(image)
    within = (slice(margin, -margin), slice(margin, -margin))
    framed[within] = image[within]
    return framed


def directions_of(image: np.ndarray, view: dict[str, Any]) -> torch.Tensor:
    """Return what the pixels of a picture look at (H, W, 3), by Python's projections."""
    height, width = image.shape[:2]
    if view.get("mode") == "flat":
        rows = width // 2
        grid = equirect_grid(rows, width, dtype=torch.float64)
        above = (height - rows) // 2
        padded = torch.zeros(height, width, 3, dtype=torch.float64)
        padded[above : above + rows] = grid
        return padded
    yaw, pitch, fov = (math.radians(view[name]) for name in ("yaw", "pitch", "fov"))
    return view_grid(
        *(torch.tensor(each, dtype=torch.float64) for each in (yaw, pitch, fov)), height, width
    )
