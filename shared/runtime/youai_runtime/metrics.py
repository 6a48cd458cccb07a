"""Prometheus metrics that every service has; a service adds its own beside them."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

from prometheus_client import Counter, Gauge, Histogram

HTTP_REQUESTS = Counter("youai_http_requests", "Requests answered", ["method", "route", "status"])
HTTP_SECONDS = Histogram("youai_http_seconds", "Time to answer", ["method", "route"])
LANE_RECORDS = Counter("youai_lane_records", "Records worked", ["lane"])
LANE_BATCH_SECONDS = Histogram("youai_lane_batch_seconds", "Time to work a batch, commit and publish", ["lane"])
LANE_BATCH_RECORDS = Histogram(
    "youai_lane_batch_records", "Records of a batch", ["lane"], buckets=[1, 3, 10, 30, 100, 300, 1_000, 3_000, 5_000]
)
LANE_STAGE_SECONDS = Counter("youai_lane_stage_seconds", "Time spent, by stage of a batch", ["lane", "stage"])
LANE_LAG = Gauge("youai_lane_lag_records", "Records not yet worked", ["lane", "partition"])
LANE_LAG_SECONDS = Gauge(
    "youai_lane_lag_seconds", "Age of the record worked last, where others wait behind it", ["lane", "partition"]
)
RELAY_AGE = Gauge("youai_relay_age_seconds", "Age of the oldest event that waits to be published")
DEAD_LETTERS = Counter("youai_dead_letters", "Records that could not be read", ["topic"])


@contextmanager
def lane_batch(lane: str, records: int) -> Iterator[None]:
    """Count a batch and the time that it takes."""
    started = time.perf_counter()
    yield
    LANE_BATCH_SECONDS.labels(lane).observe(time.perf_counter() - started)
    LANE_RECORDS.labels(lane).inc(records)
    LANE_BATCH_RECORDS.labels(lane).observe(records)


@contextmanager
def stage(lane: str, name: str) -> Iterator[None]:
    """Count the time of a stage of a batch."""
    started = time.perf_counter()
    yield
    LANE_STAGE_SECONDS.labels(lane, name).inc(time.perf_counter() - started)


def lane_lag(lane: str, partition: int, records: int, worked_ms: int) -> None:
    """Note how many records of a partition are not yet worked; `worked_ms` is the broker's time of the last that was.

    Without lag nothing is late, however long ago the last record came.
    """
    LANE_LAG.labels(lane, str(partition)).set(records)
    LANE_LAG_SECONDS.labels(lane, str(partition)).set(max(0.0, time.time() - worked_ms / 1_000) if records else 0.0)


def no_lag(lane: str, partitions: Iterable[int]) -> None:
    """Forget partitions that went to another worker, which speaks for them now."""
    for partition in partitions:
        for gauge in (LANE_LAG, LANE_LAG_SECONDS):
            with suppress(KeyError):
                gauge.remove(lane, str(partition))
