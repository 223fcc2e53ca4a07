"""Claims are tested by paired differences of records."""

from __future__ import annotations

from pathlib import Path

import pytest
from claims.claims import ADDITIONS, CLAIMS
from claims.ordering import Comparison, better, better_than, gains_more, overall, verdict
from claims.parts import Grid
from claims.results import DEFAULTS, Measure, Results
from claims.size import TINY
from claims.tables import NOT_MEASURED, claim_table, mean_and_spread, variant_table
from claims.variants import BY_NAME, VARIANTS
from helpers.evaluation_records import make_record

from avsa.config.recipe import load_config
from avsa.evals.bootstrap import mean_metric, video_table
from avsa.evals.comparison.paired import Difference
from avsa.evals.result import Metric

ACCURACY = Measure("avsa-bin", "accuracy")
ONE_VIEW = Measure("avsa-bin", "accuracy", {"views": 1})
VIDEOS = [f"v{number}" for number in range(40)]


@pytest.fixture
def grid(tmp_path):
    return Grid(tmp_path, TINY, [BY_NAME[name] for name in ("avsa", "avc")])


def record(grid, variant, seed, rate, views=4):
    """Write a record of AVSA-Bin in which a fraction of the videos is right."""
    options = {
        name.partition(".")[2]: value
        for name, value in grid.size.evaluation.items()
        if name.startswith("avsa-bin.") and "schedule" not in name
    }
    right = [float(number < rate * len(VIDEOS)) for number in range(len(VIDEOS))]
    make_record(
        grid.run(BY_NAME[variant], seed),
        "avsa-bin",
        {**options, "views": views, "translated": False},
        {"accuracy": mean_metric(right, VIDEOS, chance=0.5)},
        tables=video_table({"accuracy": (right, VIDEOS)}),
    )


@pytest.fixture
def results(grid):
    for seed in (0, 1):
        record(grid, "avsa", seed, 0.9)
        record(grid, "avc", seed, 0.5)
        record(grid, "avsa", seed, 0.6, views=1)
        record(grid, "avc", seed, 0.5, views=1)
    return Results(grid)


def test_a_better_variant_is_found_in_both_directions(results):
    there, back = better("avsa", "avc", ACCURACY), better("avc", "avsa", ACCURACY)
    found = there.test(results)
    assert found.verdict == "held" and back.test(results).verdict == "reversed"
    assert found.difference.value == pytest.approx(0.4) and found.seeds == (0, 1)


def test_the_gain_of_views_is_a_difference_of_differences(results):
    found = gains_more("avsa", "avc", ACCURACY, ONE_VIEW).test(results)
    assert found.difference.value == pytest.approx(0.3) and found.verdict == "held"


def test_records_of_other_options_are_told_apart(results):
    found = better_than(("avsa", ACCURACY), ("avsa", ONE_VIEW)).test(results)
    assert found.difference.value == pytest.approx(0.3)


def test_only_seeds_that_both_variants_have_are_compared(grid):
    record(grid, "avsa", 0, 0.9)
    record(grid, "avsa", 1, 0.1)
    record(grid, "avc", 0, 0.5)
    found = better("avsa", "avc", ACCURACY).test(Results(grid))
    assert found.seeds == (0,) and found.difference.value == pytest.approx(0.4)


def test_what_was_not_measured_has_no_verdict(grid):
    found = better("avsa", "avc", ACCURACY).test(Results(grid))
    assert (found.difference, found.verdict) == (None, "no numbers")


def difference(low, high):
    return Difference(value=(low + high) / 2, low=low, high=high, by_seed=(), videos=9,
                      resampled=[])  # fmt: skip


@pytest.mark.parametrize(
    ("low", "high", "margin", "expected"),
    [
        (0.01, 0.1, 0, "held"),
        (-0.01, 0.1, 0, "not decided"),
        (-0.1, -0.01, 0, "reversed"),
        (-0.01, 0.1, 0.02, "held"),
        (-0.03, 0.1, 0.02, "not decided"),
        (-0.1, -0.03, 0.02, "reversed"),
    ],
)
def test_verdicts(low, high, margin, expected):
    assert verdict(difference(low, high), margin) == expected


def test_a_claim_holds_if_all_of_its_comparisons_hold(results):
    held, back = (better(*pair, ACCURACY).test(results)
                  for pair in (("avsa", "avc"), ("avc", "avsa")))  # fmt: skip
    none = better("avsa", "avts", ACCURACY).test(results)
    assert overall([held, held]) == "held"
    assert overall([held, none]) == "incomplete" and overall([none]) == "no numbers"
    assert overall([held, none, back]) == "reversed"


def test_tables_have_every_comparison_and_every_variant_with_records(results):
    text = claim_table(CLAIMS, results)
    on_avsa_bin = [CLAIMS[0], CLAIMS[2]]  # better, and gains more; other claims have no numbers
    assert text.count("\n") == 1 + sum(len(claim.comparisons) for claim in on_avsa_bin)
    assert "+40.0 (" in text and "**" in text
    rows = variant_table(results, VARIANTS, [("AVSA-Bin", ACCURACY)]).splitlines()
    assert rows[2:] == [
        f"| `avc`: {BY_NAME['avc'].label} | 50.00 ± 0.00 |",
        f"| `avsa`: {BY_NAME['avsa'].label} | 90.00 ± 0.00 |",
        "| chance | 50.00 |",
    ]


def test_claims_and_variants_without_numbers_are_left_out(grid):
    results = Results(grid)
    assert claim_table(CLAIMS, results) == variant_table(results, VARIANTS) == NOT_MEASURED


def test_numbers_have_the_spread_over_seeds():
    assert mean_and_spread([Metric(value=0.5), Metric(value=0.7)]) == "60.00 ± 14.14"
    assert mean_and_spread([Metric(value=12.34, unit="°")]) == "12.3°"
    assert mean_and_spread([]) == "–"


def comparisons():
    return [each for claim in (*CLAIMS, *ADDITIONS) for each in claim.comparisons]


@pytest.mark.parametrize("each", comparisons(), ids=lambda each: each.title)
def test_claims_name_variants_and_records_that_exist(each: Comparison):
    for _, variant, measure in each.terms:
        assert variant in BY_NAME
        assert measure.options.keys() <= DEFAULTS.get(measure.kind, {}).keys()
    assert sum(sign for sign, *_ in each.terms) == 0


def test_variants_see_equally_many_clips_in_equally_many_steps():
    seen = set()
    for variant in VARIANTS:
        assert Path(variant.recipe).is_file()
        stages = load_config(str(variant.recipe)).stages.values()
        seen.add((sum(s.steps for s in stages), sum(s.steps * s.batch_size for s in stages)))
    assert len(seen) == 1


def test_recipes_are_scaled_by_the_size():
    for variant in VARIANTS:
        config = load_config(str(variant.recipe), variant.overrides(TINY, 3))
        assert config.seed == 3 and {stage.steps for stage in config.stages.values()} == {1}
