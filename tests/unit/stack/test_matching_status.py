"""`youai matching status`: what two readings of a worker's metrics come to."""

import io

from rich.console import Console
from youai_stack.matching_status import Reading, parse, render, row

BEFORE = """
youai_decisions_total{type="booking-confirmed"} 100
youai_lane_records_total{lane="matching.decider"} 200
youai_lane_batch_records_count{lane="matching.decider"} 10
youai_lane_stage_seconds_total{lane="matching.decider",stage="decide"} 1.0
youai_lane_lag_records{lane="matching.decider",partition="1"} 0
"""
AFTER = """
youai_decisions_total{type="booking-confirmed"} 300
youai_decisions_total{type="booking-rejected"} 600
youai_lane_records_total{lane="matching.decider"} 1200
youai_lane_records_total{lane="matching.reservations"} 7
youai_lane_batch_records_count{lane="matching.decider"} 15
youai_lane_stage_seconds_total{lane="matching.decider",stage="decide"} 1.02
youai_lane_stage_seconds_total{lane="matching.decider",stage="transaction"} 0.05
youai_lane_stage_seconds_total{lane="matching.decider",stage="apply"} 0.04
youai_lane_lag_records{lane="matching.decider",partition="1"} 400
youai_lane_lag_records{lane="matching.decider",partition="2"} 100
youai_lane_lag_seconds{lane="matching.decider",partition="2"} 3.5
youai_hot_slot_decisions{slot="slot-a"} 70
"""


def test_what_was_done_between_two_readings() -> None:
    done = row(parse(BEFORE, 10.0), parse(AFTER, 12.0))
    assert done.decisions_s == 400
    assert done.records_s == 500
    assert done.batch == 200
    assert round(done.stages["decide"] or 0) == 20
    assert round(done.stages["commit"] or 0) == 10
    assert (done.lag, done.lag_s, done.partitions) == (500, 3.5, 2)


def test_a_worker_that_did_nothing_has_no_times() -> None:
    done = row(parse(AFTER, 10.0), parse(AFTER, 11.0))
    assert (done.decisions_s, done.batch, done.stages["write"]) == (0, None, None)


def test_a_worker_that_began_anew_is_not_counted_below_zero() -> None:
    assert row(parse(AFTER, 10.0), parse(BEFORE, 11.0)).decisions_s == 0


def test_a_worker_that_is_away_is_shown_as_such() -> None:
    out = io.StringIO()
    before, after = {"matching-worker-1": parse(BEFORE, 10.0)}, {"matching-worker-1": parse(AFTER, 12.0)}
    Console(file=out, width=160).print(render(before, after | {"matching-worker-2": Reading(12.0)}))
    told = out.getvalue()
    assert "no answer" in told
    assert "slot-a" in told
    assert "1.0" in told  # 500 records at 500 a second: done in a second
