"""Time labelling with the full-size network: seconds per panorama, and the fraction outside it.

The network has random weights, scaled so that a view holds some twenty objects, about as many as a
busy photograph; its speed does not depend on their classes. One clip of noise is labelled as
`yt360 pseudolabel` would, then the work around the network is timed stage by stage.

    PYTHONPATH=tools python -m benchmarks.labels --view-size 512 --panoramas 4
"""

from __future__ import annotations

import argparse
import io
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import torch
from safetensors.torch import save_file

from yt360.devices import choose_device
from yt360.labels.format.maps import encode_labels
from yt360.labels.frames import clip_frames
from yt360.labels.panoptic_fpn import PanopticFPN
from yt360.labels.pseudolabel import LabelOptions, pseudolabel
from yt360.labels.segmenters.base import ImageOrigin
from yt360.labels.segmenters.panoptic_fpn import PanopticFPNConfig, PanopticFPNSegmenter
from yt360.labels.sphere.fusion import fuse, make_fusion_table, render_views
from yt360.labels.sphere.views import VIEW_SETS
from yt360.randomness import keyed_generator
from yt360.shards.format.dataset_info import DatasetInfo, SplitInfo
from yt360.shards.format.index import rebuild_index
from yt360.shards.format.schema import shard_name
from yt360.shards.format.writer import ShardWriter

FPS = 4
KEY = "noise-00000"


def random_checkpoint(path: Path) -> None:
    """Write a full-size network with random weights that finds some twenty objects a view."""
    torch.manual_seed(0)
    network = PanopticFPN()
    state = network.state_dict()
    for name, value in state.items():
        if name.endswith(".conv3.norm.weight"):
            value.fill_(0.2)  # keeps 33 residual sums from growing without bound
    state["roi_heads.box_predictor.cls_score.weight"].mul_(8)
    state["roi_heads.box_predictor.cls_score.bias"][-1] += 4
    state["sem_seg_head.predictor.weight"].mul_(20)
    save_file(state, path)


def noise_clip(panoramas: int) -> bytes:
    """Return a clip of coloured noise with a number of panoramas."""
    generator = keyed_generator("bench-labels")
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream(
            "libx264", rate=16, options={"crf": "23", "g": "8", "bf": "0"}
        )
        stream.width, stream.height, stream.pix_fmt = 640, 320, "yuv420p"
        image = sum(
            generator.integers(0, 60, (320 // size, 640 // size, 3)).repeat(size, 0).repeat(size, 1)
            for size in (1, 8, 32, 80)
        )
        for number in range(panoramas * 16 // FPS):
            frame = np.roll(image, 4 * number, axis=1).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return buffer.getvalue()


def noise_dataset(folder: Path, mp4: bytes, panoramas: int) -> None:
    """Write a dataset of one clip."""
    for split in ("train", "test"):
        (folder / split).mkdir(parents=True)
    duration_s = panoramas / FPS
    facts = {
        "video_id": "noise", "start_s": 0, "duration_s": duration_s,
        "source": {"file_start_s": 0},
    }  # fmt: skip
    with ShardWriter(folder / "train" / shard_name(0)) as writer:
        writer.add(KEY, {"mp4": mp4, "flac": b"", "json": json.dumps(facts).encode()})
    train = SplitInfo(clips=1, videos=1, duration_s=duration_s, shards=(writer.info,))
    DatasetInfo(options={}, splits={"train": train, "test": SplitInfo()}, complete=True).save(
        folder
    )
    rebuild_index(folder)


def seconds(work: Callable[[], object], repeats: int = 3) -> float:
    """Return the minimum time of several runs."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


def stages(
    segmenter: PanopticFPNSegmenter, mp4: bytes, options: LabelOptions, panoramas: int
) -> None:
    """Print the time of each stage around the network, for one panorama."""
    views, side = VIEW_SETS[options.views], options.view_size
    frames = torch.from_numpy(clip_frames(mp4, FPS, panoramas / FPS))
    device = segmenter.device
    directions = views.directions(side).float().to(device)
    frame = frames[:1].to(device)
    plan = make_fusion_table(views, side, options.height, 2 * options.height)
    images = render_views(frame, directions)[0]
    started, inside = time.perf_counter(), segmenter.network_s
    answers = segmenter.segment(images, [ImageOrigin(KEY, 0.0)] * len(views))
    whole = time.perf_counter() - started
    network = segmenter.network_s - inside
    fused = fuse(answers, plan).classes[None].numpy()
    objects = sum(int(answer.instances.max()) for answer in answers) / len(views)
    print("| stage | ms a panorama |\n|---|---|")
    for name, spent in (
        ("decode", seconds(lambda: clip_frames(mp4, FPS, panoramas / FPS)) / panoramas),
        ("cut views", seconds(lambda: render_views(frame, directions))),
        (f"network ({len(views)} views)", network),
        (f"resize, upsample, merge ({objects:.0f} objects a view)", whole - network),
        ("fuse", seconds(lambda: fuse(answers, plan))),
        ("compress", seconds(lambda: encode_labels(fused))),
    ):
        print(f"| {name} | {1000 * spent:.0f} |")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--views", default=LabelOptions().views, choices=list(VIEW_SETS))
    parser.add_argument("--view-size", type=int, default=LabelOptions().view_size)
    parser.add_argument("--height", type=int, default=LabelOptions().height)
    parser.add_argument("--panoramas", type=int, default=4)
    parser.add_argument("--batch", type=int)
    parser.add_argument("--device", default="auto")
    arguments = parser.parse_args()
    device = choose_device(arguments.device)
    options = LabelOptions(
        views=arguments.views,
        view_size=arguments.view_size,
        height=arguments.height,
        batch=arguments.batch,
    )
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    print(f"{where}, {os.cpu_count()} cores, {torch.get_num_threads()} threads, torch "
          f"{torch.__version__}; views {options.views} of {options.view_size} pixels")  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        checkpoint, dataset = Path(folder) / "random.safetensors", Path(folder) / "dataset"
        random_checkpoint(checkpoint)
        mp4 = noise_clip(arguments.panoramas)
        noise_dataset(dataset, mp4, arguments.panoramas)
        segmenter = PanopticFPNConfig(
            checkpoint=checkpoint, short_side=options.view_size, mixed_precision=True
        ).build(device)
        cpu_s = time.process_time()
        report = pseudolabel(dataset, segmenter, options, device)
        cpu_s = time.process_time() - cpu_s
        print(f"{report.elapsed_s / report.panoramas:.2f} s a panorama, "
              f"{cpu_s / report.panoramas:.2f} s of CPU time, "
              f"{report.outside_fraction:.1%} outside the network")  # fmt: skip
        stages(segmenter, mp4, options, arguments.panoramas)


if __name__ == "__main__":
    main()
