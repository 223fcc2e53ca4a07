"""What a worker opens is what the command evaluates."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from helpers.errors import user_error
from helpers.in_process import InlineExecutor

from avsa.data.clips import open_clips
from avsa.evals.subject import open_subject
from avsa.evals.workers.pool import Workers
from yt360.execution.executor import LocalExecutor


@pytest.fixture
def inputs(scene_run):
    subject = open_subject(str(scene_run.run), "cpu")
    clips = open_clips(scene_run.dataset, "test")
    return Workers(InlineExecutor(), 2, "cpu").inputs(subject, clips)


def test_a_worker_opens_the_model_and_the_split_once(inputs, scene_run):
    with inputs.opened() as (model, clips):
        assert model.weights_hash() == inputs.weights_sha256
        assert clips.split == "test" and clips.dataset == scene_run.dataset
    with inputs.opened() as again:
        assert again[0] is model and again[1] is clips


def test_a_worker_uses_the_threads_of_the_command(inputs):
    assert inputs.threads == torch.get_num_threads()
    try:
        with replace(inputs, threads=inputs.threads + 1).opened():
            assert torch.get_num_threads() == inputs.threads + 1
    finally:
        torch.set_num_threads(inputs.threads)


def test_relative_paths_become_absolute(scene_run, monkeypatch):
    monkeypatch.chdir(scene_run.run.parent)
    subject, clips = open_subject(scene_run.run.name, "cpu"), open_clips(scene_run.dataset, "test")
    found = Workers(InlineExecutor(), 2, "cpu").inputs(subject, clips)
    assert found.subject == str(scene_run.run)


def test_a_run_that_goes_on_training_is_refused(inputs):
    with user_error("conflict", inputs.subject), replace(inputs, weights_sha256="0").opened():
        pass


def test_a_dataset_with_other_clips_is_refused(inputs):
    with user_error("conflict", inputs.dataset), replace(inputs, clips="1 clip").opened():
        pass


def test_engines_tell_the_number_of_decoders(inputs, scene_run, monkeypatch):
    with inputs.opened() as (model, clips):
        monkeypatch.setenv("OMP_NUM_THREADS", "3")
        assert inputs.loading(model.config.data).num_workers == 3
        monkeypatch.delenv("OMP_NUM_THREADS")
        assert inputs.loading(model.config.data).num_workers == 1
    subject = open_subject(str(scene_run.run), "cpu")
    here = Workers(LocalExecutor(), 1000, "cpu").inputs(subject, clips)
    assert here.loading(model.config.data).num_workers == 1
