"""Prometheus metrics that every service has; a service adds its own beside them."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import Counter, Gauge, Histogram

HTTP_REQUESTS = Counter("youai_http_requests", "Requests answered", ["method", "route", "status"])
HTTP_SECONDS = Histogram("youai_http_seconds", "Time to answer", ["method", "route"])
LANE_RECORDS = Counter("youai_lane_records", "Records worked", ["lane"])
LANE_BATCH_SECONDS = Histogram("youai_lane_batch_seconds", "Time to work a batch, commit and publish", ["lane"])
LANE_LAG = Gauge("youai_lane_lag_records", "Records not yet worked", ["lane", "partition"])
RELAY_AGE = Gauge("youai_relay_age_seconds", "Age of the oldest event that waits to be published")
DEAD_LETTERS = Counter("youai_dead_letters", "Records that could not be read", ["topic"])


@contextmanager
def lane_batch(lane: str, records: int) -> Iterator[None]:
    """Count a batch and the time that it takes."""
    started = time.perf_counter()
    yield
    LANE_BATCH_SECONDS.labels(lane).observe(time.perf_counter() - started)
    LANE_RECORDS.labels(lane).inc(records)


def lane_lag(lane: str, partition: int, records: int) -> None:
    """Note how many records of a partition are not yet worked."""
    LANE_LAG.labels(lane, str(partition)).set(records)
