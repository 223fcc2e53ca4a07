"""The report: the paper's tables by `avsa report`, and our tables, CSV files and figures."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from avsa.evals.result import Metric
from claims.claims import ADDITIONS, CLAIMS, CLAIMS_WITH_INTENSITY
from claims.cues import CUES as CUE_HEADS
from claims.cues import table as cue_table
from claims.curves import Curves, all_curves, draw_curves, write_curves
from claims.jobs import Runner, duration, stop_at_failures, times
from claims.machine import machine
from claims.parts import Grid
from claims.real import markdown as real_tables
from claims.results import Results
from claims.tables import (
    CONTROLS,
    NOT_MEASURED,
    PROBES,
    claim_table,
    learning_table,
    markdown,
    variant_table,
)
from claims.variants import VARIANTS, of_table

TITLE = """\
# The paper's claims on synthetic scenes

Written by `{command}`. Every number is in [claims.csv](claims.csv), and the accuracy over training
in [claims-curves.csv](claims-curves.csv). What the variants are: `tools/claims/variants.py` and its
recipes.

![Accuracy on test scenes over the steps of training, for each variant](claims-curves.png)"""

EXPLANATION = """\
Differences are in points; their 95 % intervals are from a hierarchical paired bootstrap: training
seeds are drawn with replacement, and test videos with replacement, the same for both variants.
*held*: the interval is above the limit, which is 0, or minus the margin that the claim states;
*reversed*: it is below; *not decided*: it contains the limit. A claim holds if all of its
comparisons do; it is *incomplete* if some were not measured. With two seeds, an interval says
little about the spread over seeds, and with one it says nothing; the column *by seed* shows which
there are. Of two variants at chance, one can be ahead by a point: look at the numbers themselves,
too."""

MEANING = """\
Mean over seeds ± standard deviation, in %, or in degrees. Where a variant has no number, the
evaluation does not apply to it: rotation regression compares no embeddings, and only some variants
have translation networks. *Own over turned audio* needs no heads: it is the share of clips whose
video is more similar to its own audio than to the same audio turned about the vertical, by the
embeddings that the pretext task compares."""

INTENSITY = """\
The paper's audio, log-mels, has magnitudes alone, and these are the same for a source in front of a
view and for one behind it. Intensity vectors have the sign."""

COMMANDS = {"full": "make claims", "quick": "make claims-quick"}

QUESTIONS = ("turns, one view", "turns, all views", "choice")
"""Columns of the table of cues."""

CUES = """\
Heads that get summaries of the sound of a view and one cue of its picture, without a model
(`claims.cues`). A model that compares picture and sound must beat *sound*, *picture* and the cues;
*sources in view* is no cheat, since only a model that knows what sounds can see it."""

REAL = """\
No model was trained on any of them, neither encoders nor heads (`claims.real`). Intervals are over
recordings, of which there are few."""

LEARNING = """\
Clips and minutes of training until the view accuracy (own audio among that of four views of the
clip; chance 25 %) reaches a value on the test scenes; the clips are those of all stages. Views of
validation are drawn as in training, so *guided* variants have other views than the rest. Variants
with one view, and AVTS, whose candidates are clip windows, have no view accuracy. In the figure,
the right clip is one of a batch; its rivals are all views, or windows, of the other clips, so
variants with one view have fewer."""


def write_report(grid: Grid, runner: Runner, folder: Path) -> None:
    """Write everything; see `claims.__main__`.

    Args:
        grid: The grid; runs without results have no numbers.
        runner: Runs `avsa report`.
        folder: Folder of tables and figures.
    """
    results, curves = Results(grid), all_curves(grid)
    folder.mkdir(parents=True, exist_ok=True)
    finished = [each for each in grid.runs() if (grid.run(*each) / "config.yaml").exists()]
    if finished:
        stop_at_failures(runner.run("report", grid.report_jobs(finished), again=True))
    _write_metrics(folder / "claims.csv", results)
    write_curves(folder / "claims-curves.csv", curves)
    draw_curves(folder / "claims-curves.png", curves)
    (folder / "claims.md").write_text(_page(grid, results, curves), encoding="utf-8")
    for name in ("claims.md", "claims.csv", "claims-curves.csv", "claims-curves.png"):
        runner.say(str(folder / name))


def _page(grid: Grid, results: Results, curves: Curves) -> str:
    done = times(grid.out)
    sections = {
        "Claims, with the paper's audio": f"{claim_table(CLAIMS, results)}\n\n{EXPLANATION}",
        "Variants with the paper's audio": f"{variant_table(results, of_table(1))}\n\n{MEANING}",
        "Claims, with intensity vectors": claim_table(CLAIMS_WITH_INTENSITY, results),
        "Variants with intensity vectors": f"{variant_table(results, of_table(2))}\n\n{INTENSITY}",
        "Controls": variant_table(results, VARIANTS, CONTROLS),
        "What cues alone reach": f"{_cue_table(grid)}\n\n{CUES}",
        "Further beyond the paper": f"{variant_table(results, of_table(3))}\n\n"
        f"{claim_table(ADDITIONS, results)}",
        "Real recordings": _real_table(grid),
        "Probes": variant_table(results, VARIANTS, PROBES),
        "Time to learn": f"{learning_table(curves, VARIANTS)}\n\n{LEARNING}",
        "Machine and time": "\n\n".join([
            markdown(("", ""), [*machine().items(), *_numbers(grid, results).items()]),
            markdown(
                ("part", "jobs", "time of all jobs together"),
                [(part, str(jobs), duration(s)) for part, (jobs, s) in done.items()],
            ),
        ]),
    }  # fmt: skip
    title = TITLE.format(command=COMMANDS.get(grid.size.name, f"--size {grid.size.name}"))
    parts = (f"## {heading}\n\n{text}" for heading, text in sections.items())
    return "\n\n".join([title, *parts]) + "\n"


def _cue_table(grid: Grid) -> str:
    """Return the table of `claims.cues`, if that was measured."""
    if not grid.cues.exists():
        return NOT_MEASURED
    found = json.loads(grid.cues.read_text(encoding="utf-8"))
    rows = {
        name: {question: Metric(**found["cues"][name][question]) for question in QUESTIONS}
        for name in CUE_HEADS
    }
    return cue_table(rows, found["views"])


def _real_table(grid: Grid) -> str:
    """Return the tables of `claims.real`, if that was measured."""
    if not grid.real.exists():
        return NOT_MEASURED
    found = json.loads(grid.real.read_text(encoding="utf-8"))
    count = f"{found['clips']} clips of {found['recordings']} recordings."
    return f"{count} {REAL}\n\n" + "\n".join(real_tables(found["rows"]))


def _numbers(grid: Grid, results: Results) -> dict[str, str]:
    size = grid.size
    counts = {seed: results.count(seed) for seed in grid.seeds}
    return {
        "size": size.name,
        "scenes": f"{size.train_scenes} for training, {size.test_scenes} for the test, "
        f"{size.duration_s} s each, {2 * size.rows} x {size.rows}",
        "runs": ", ".join(f"{n} variants with seed {seed}" for seed, n in counts.items() if n),
    }


def _write_metrics(path: Path, results: Results) -> None:
    rows = results.rows()
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]) if rows else ["variant"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
