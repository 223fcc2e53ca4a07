"""Time of the parts of a step, from traces."""

import pytest

from avsa.profiling.phases import PREFIX, Phase
from avsa.profiling.trace import (
    COPIES,
    IDLE,
    OTHER,
    Span,
    device_gaps,
    gaps,
    innermost,
    part_times,
    union,
)


def ms(event, start, end):
    return {"ph": "X", "ts": 1000.0 * start, "dur": 1000.0 * (end - start), **event}


def host(name, start, end):
    return ms({"cat": "user_annotation", "name": PREFIX + name, "args": {}}, start, end)


def queued(number, time):
    launch = {"cat": "cuda_runtime", "name": "cudaLaunchKernel", "args": {"correlation": number}}
    return ms(launch, time, time)


def kernel(number, start, end, kind="kernel"):
    return ms({"cat": kind, "name": "k", "args": {"correlation": number}}, start, end)


def parts_ms(events):
    times = part_times(events)
    assert sum(times.parts.values()) == pytest.approx(times.wall_s)
    return {name: pytest.approx(1000 * seconds) for name, seconds in times.parts.items()}


OTHERS = [
    {"ph": "M", "name": "process_name", "args": {"name": "python"}},
    ms({"cat": "cpu_op", "name": "aten::add", "args": {}}, 0, 90),
    ms({"cat": "user_annotation", "name": "ProfilerStep#3", "args": {}}, 0, 90),
]


def test_a_phase_on_the_host_is_without_the_phases_inside_it():
    events = [
        host(Phase.BACKWARD, 20, 60),
        host(Phase.DATA, 61, 65),
        host(Phase.VIEWS, 60, 70),
        host(Phase.ENCODERS, 0, 18),
        *OTHERS,
    ]
    assert parts_ms(events) == {
        Phase.ENCODERS: 18,
        Phase.BACKWARD: 40,
        Phase.VIEWS: 6,
        Phase.DATA: 4,
        OTHER: 2,
    }


def test_the_device_spends_time_for_the_phase_that_queued_its_kernels():
    events = [
        # The host queues the whole step in 20 ms, then waits for data and for the loss.
        host(Phase.ENCODERS, 0, 10),
        host(Phase.BACKWARD, 10, 20),
        host(Phase.DATA, 20, 70),
        host(Phase.CHECK, 70, 100),
        *(queued(number, time) for number, time in ((1, 1), (2, 12), (3, 13))),
        kernel(1, 5, 25),
        kernel(2, 25, 45),
        kernel(3, 40, 50),  # of another stream: counts after the one that it overlaps
        kernel(4, 48, 56, "gpu_memcpy"),  # half of it is not hidden
        kernel(5, 90, 95),  # queued by something that is not in the trace
        *OTHERS,
    ]
    assert parts_ms(events) == {
        Phase.ENCODERS: 20,
        Phase.BACKWARD: 25,
        COPIES: 6,
        Phase.DATA: 14,  # idle from 56 on, waiting until 70
        IDLE: 5 + 20 + 5,
        OTHER: 5,
    }


def test_kernels_after_an_inner_phase_belong_to_the_outer_one():
    events = [
        host(Phase.VIEWS, 0, 10),
        host(Phase.DATA, 1, 4),
        queued(1, 6),  # crops, when the data has come
        queued(2, 12),  # outside of all phases
        host(Phase.ENCODERS, 15, 20),
        kernel(1, 6, 12),
        kernel(2, 12, 20),
    ]
    assert parts_ms(events) == {Phase.VIEWS: 6, Phase.DATA: 3, OTHER: 8, IDLE: 3}


def test_a_device_that_idles_while_a_checkpoint_is_saved_does_not_wait_for_kernels():
    events = [
        host(Phase.ENCODERS, 0, 10),
        host(Phase.LOG, 10, 30),
        queued(1, 1),
        queued(2, 22),  # of validation
        kernel(1, 2, 12),
        kernel(2, 22, 25),
    ]
    assert parts_ms(events) == {Phase.ENCODERS: 10, Phase.LOG: 10 + 3 + 5, IDLE: 2}


def test_what_validation_waits_for_is_part_of_validation():
    nested = [(Span(0, 20), Phase.LOG), (Span(5, 9), Phase.DATA), (Span(20, 30), Phase.VIEWS)]
    assert innermost(reversed(nested)) == [
        (Span(0, 5), Phase.LOG),
        (Span(5, 9), Phase.LOG),
        (Span(9, 20), Phase.LOG),
        (Span(20, 30), Phase.VIEWS),
    ]


def test_an_inner_phase_may_begin_and_end_with_the_outer_one():
    whole = Span(1.0, 3.0)
    inner = [(Span(1.0, 2.0), Phase.DATA), (whole, Phase.VIEWS)]
    assert innermost(inner) == [(Span(1.0, 2.0), Phase.DATA), (Span(2.0, 3.0), Phase.VIEWS)]
    assert innermost([(whole, Phase.VIEWS), (Span(2.0, 3.0), Phase.DATA)]) == [
        (Span(1.0, 2.0), Phase.VIEWS),
        (Span(2.0, 3.0), Phase.DATA),
    ]
    assert innermost([]) == []


def test_a_trace_without_phases_is_refused():
    with pytest.raises(ValueError, match="no phase"):
        part_times(OTHERS)


def test_union_and_gaps_share_the_whole_out():
    covered = union([Span(5, 6), Span(1, 3), Span(2, 4), Span(4, 5)])
    assert covered == [(1, 6)]
    assert gaps(covered, Span(0, 9)) == [(0, 1), (6, 9)]
    assert gaps([], Span(0, 9)) == [(0, 9)]


def test_gaps_of_a_device_lie_between_its_kernels():
    kernels = [kernel(1, 5, 25), kernel(2, 24, 30), kernel(3, 32, 35), *OTHERS]
    assert device_gaps(kernels) == [Span(0.030, 0.032)]
    assert device_gaps(OTHERS) == []
