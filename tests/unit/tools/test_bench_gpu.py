"""The benchmark of steps runs where there is no GPU, and counts what networks compute."""

import json
import math

import bench_gpu
import torch

from avsa.config.recipe import load_config
from avsa.training.curriculum import lay_out
from yt360.clip_codec.format import ClipFormat

FIGURES = ("step_ms", "samples_per_s", "views_per_s", "tflops", "memory_mb")


def test_every_case_has_its_figures(tiny_dataset, tmp_path, capsys):
    path = tmp_path / "report.json"
    arguments = ["--tiny", "--device", "cpu", "--steps", "1", "--json", path, tiny_dataset]
    bench_gpu.main(list(map(str, arguments)))
    report = json.loads(path.read_text())
    names = [f"{s}, {feed}" for s in ("avsa", "avc") for feed in ("networks", "views", "data")]
    assert list(report["cases"]) == names
    assert not report["skipped"] and report["origin"]["machine"]["cores"]
    for case in report["cases"].values():
        assert all(math.isfinite(case[name]) and case[name] > 0 for name in FIGURES)
        assert 0 <= case["waiting"] <= 1 and case["mfu"] is None
        assert case["profiled"]["backward"] > 0
    printed = capsys.readouterr().out
    assert "avsa, networks" in printed and "samples/s" in printed


def test_cases_that_there_is_no_time_for_are_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where there is no shards/
    path = tmp_path / "report.json"
    bench_gpu.main(["--device", "cpu", "--budget-s", "0", "--json", str(path)])
    report = json.loads(path.read_text())
    assert not report["cases"]
    assert list(report["skipped"]) == [
        *(f"{stage}, {feed}" for stage in ("avsa", "avc") for feed in ("networks", "views")),
        *(
            f"{stage}, networks, compile={value}"
            for value in ("on", "cuda-graphs")
            for stage in ("avsa", "avc")
        ),
    ]


def test_operations_of_a_step_are_those_of_its_layers():
    overrides = [
        "encoders.video={base_channels: 2, num_stages: 1, blocks_per_stage: 1}",
        "encoders.audio={base_channels: 2, num_stages: 1}",
    ]
    config = load_config("avsa", overrides)
    stage = lay_out(config, [str(i) for i in range(112)], [0] * 112, 1)[1]
    case = bench_gpu.Case("networks", config, stage, ClipFormat())
    views = case.samples * case.views
    # The stem of the video encoder alone, without the gradient of its input: twice its products.
    stem = 2 * 2 * views * 2 * 3 * 3 * 7 * 7 * 8 * 56 * 56
    assert case.flops() > stem
    doubled = bench_gpu.Case(
        "networks", load_config("avsa", [*overrides, "views.num_views=8"]), stage, ClipFormat()
    )
    torch.testing.assert_close(doubled.flops() / case.flops(), 2.0, rtol=0.01, atol=0)
