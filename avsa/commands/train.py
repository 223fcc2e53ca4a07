"""``avsa train``."""

from __future__ import annotations

from pathlib import Path

import click

from avsa.commands.options import device_option, set_option
from yt360.buckets.address import as_bucket_url
from yt360.commands.group import examples
from yt360.errors import UserError
from yt360.execution.collection import uncollected_imports
from yt360.terminal.output import echo


@examples(
    "avsa train --data shards --recipe small --steps 20",
    "avsa train --data DATASET --recipe avsa --out runs/avsa --set optimizer.micro_batches=4",
    "avsa train --out runs/avsa --resume",
    "avsa train --data DATASET --recipe avsa --steps 26 --profile 20",
    "avsa train --data DATASET --recipe avsa --track tensorboard,wandb",
    "avsa train --data A --data B --recipe avsa --set 'sampling.weights=[3,1]'",
    "avsa train --data https://example.org/DATASET --recipe avsa --set sampling.window_shards=8",
    "torchrun --nproc-per-node 4 -m avsa train --data DATASET --recipe avsa --out runs/avsa",
    "avsa train --data s3://BUCKET/DATASET --recipe avsa --out s3://BUCKET/runs/avsa",
    "avsa train --dry-run --recipe avsa --ranks 4 --views-per-s 5000",
    "avsa train --schema > recipe.schema.json",
)
@click.command("train")
@click.option(
    "--data",
    multiple=True,
    help="Dataset folder, or its address (https://..., s3://...). Several, with an option for "
    "each, are trained on together; `--set sampling.weights=[3,1]` weights them.",
)
@click.option("--recipe", help="Name of a recipe, or a YAML file.")
@set_option
@click.option(
    "--out",
    help="Folder of the run; by default a new one, runs/RECIPE-N. Also in a bucket, such as "
    "s3://BUCKET/RUN: each checkpoint is uploaded.",
)
@click.option("--steps", type=click.IntRange(min=1), help="Stop after this many steps in all.")
@click.option("--resume", is_flag=True, help="Resume the run in --out.")
@click.option(
    "--cache-gb",
    type=float,
    help="Size of the cache of a remote dataset, in $AVSA_CACHE or ~/.cache/avsa; by default the "
    "size last set for it, or 20.",
)
@click.option("--log-keys", is_flag=True, help="Log the keys of each batch's clips.")
@click.option(
    "--profile",
    type=click.IntRange(min=1),
    metavar="N",
    help="Profile N steps after the first ones: print where their time goes and what to change, "
    "and write trace-step-*.json.gz into the run. Does not change what is computed.",
)
@click.option(
    "--track",
    metavar="NAMES",
    help="Trackers that get the values of each step: tensorboard (the default), wandb, trackio, "
    "several with commas between them, or none.",
)
@device_option
@click.option(
    "--help-config", is_flag=True, help="Print every key of a recipe with its range and default."
)
@click.option("--schema", is_flag=True, help="Print a JSON schema of recipes for editors.")
@click.option(
    "--dry-run",
    is_flag=True,
    help="Print stages, steps, hours, schedule and memory, and do not train. Without --data, for "
    "the size of YT-360; without --recipe, the steps and hours of every recipe.",
)
@click.option("--ranks", type=click.IntRange(min=1), help="With --dry-run: number of ranks.")
@click.option(
    "--views-per-s",
    type=click.FloatRange(min=0, min_open=True),
    help="With --dry-run: speed of training (views_per_s in the log of a run); by default 1000.",
)
@click.pass_context
def command(
    context: click.Context,
    data: tuple[str, ...],
    recipe: str | None,
    overrides: tuple[str, ...],
    out: str | None,
    steps: int | None,
    resume: bool,
    cache_gb: float | None,
    log_keys: bool,
    profile: int | None,
    track: str | None,
    device: str,
    help_config: bool,
    schema: bool,
    dry_run: bool,
    ranks: int | None,
    views_per_s: float | None,
) -> None:
    """Train on one or several datasets by a recipe.

    Recipes: avc, avc-4views, avc-transformer, avts, avts-4views, avts-transformer, avsa,
    avsa-no-transformer, avsa-mlp, avsa-no-curriculum, avsa-regression, and small for laptops.
    avc-published and avsa-published follow the data path of the paper's code (docs/paper.md).
    If the dataset is too small for a batch, the batch size is reduced and a warning is printed.
    --resume --out RUN resumes a run that was stopped, with its --data and --recipe. Ctrl-C, SIGTERM
    and a closed terminal end a run after the current step, with a checkpoint and the exit code 130,
    143 or 129; a second signal ends it at once.
    """
    if help_config or schema:
        from avsa.config.reference import recipe_reference, recipe_schema

        echo(*(recipe_reference() if help_config else recipe_schema().splitlines()))
        return
    if dry_run:
        unused = steps, profile, track
        if log_keys or device != "auto" or any(value is not None for value in unused):
            raise UserError(
                "--steps, --log-keys, --profile, --track and --device have no effect in a dry run; "
                "leave them out",
                "conflict",
                "--dry-run",
            )
        from avsa.training.dry_run import dry_run_report

        if resume and out is not None and as_bucket_url(out) is not None:
            raise UserError(
                f"--dry-run reads no run in a bucket such as {out}; give --recipe and --data",
                "unsupported",
                "--dry-run",
            )
        asked = data, recipe, overrides, None if out is None else Path(out), resume, cache_gb
        echo(*dry_run_report(*asked, ranks=ranks, views_per_s=views_per_s))
        return
    if ranks is not None or views_per_s is not None:
        raise UserError(
            "--ranks and --views-per-s need --dry-run; torchrun starts ranks",
            "conflict",
            "--ranks" if ranks is not None else "--views-per-s",
        )
    with uncollected_imports():
        from avsa.data.remote.mirror import dataset_folder
        from avsa.hub.run_copy import opened_run
        from avsa.tracking.trackers import parse_track
        from avsa.training.distributed import joined_world
        from avsa.training.loop import train
        from avsa.training.request import resolve_request

    trackers = parse_track(track or "tensorboard")
    with joined_world(device) as world, opened_run(out, resume, world) as (folder, copy):
        datasets = [dataset_folder(each, cache_gb) for each in data]
        request = resolve_request(datasets, recipe, overrides, folder, resume, world.size, cache_gb)
        if world.is_first:
            echo(*request.notes, err=True)
        outcome = train(
            request.config,
            request.datasets,
            request.run,
            world,
            steps=steps,
            resume=resume,
            log_keys=log_keys,
            profile_steps=profile or 0,
            track=trackers,
            after_save=None if copy is None else copy.push_or_note,
        )
        if world.is_first:
            echo(*outcome.lines(request.run, trackers))
    context.exit(outcome.exit_code)
