"""Matching's HTTP: the door. Its routes are in bookings.py, holds.py, overrides.py and slots.py."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from fastapi import FastAPI
from youai_runtime.auth import Authenticator
from youai_runtime.database import Pool
from youai_runtime.http import Checks, create_app
from youai_runtime.live import Listeners
from youai_runtime.quick import QuickApp

from youai_matching import batch, bookings, door, holds, overrides, slots
from youai_matching.collector import Collector
from youai_matching.desk import Desk
from youai_matching.rates import Rates
from youai_matching.reservations import Numbers
from youai_matching.rule_files import RuleBook
from youai_matching.why import Stories


def make_api(
    *,
    pool: Pool,
    appender: door.Appender,
    authenticate: Authenticator,
    rules: RuleBook,
    listeners: Listeners,
    rates: Rates,
    ready: Checks,
    lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]],
) -> QuickApp:
    """The app; everything that it needs from outside is passed in."""
    app = create_app("Youai matching", ready=ready, lifespan=lifespan, large_bodies={batch.PATH: batch.MOST_BYTES})
    numbers = Numbers(rules.by_version.values())
    at = Desk(
        pool=pool,
        appender=appender,
        rules=rules,
        numbers=numbers,
        collector=Collector(pool, numbers, appender),
        listeners=listeners,
        stories=Stories(),
    )
    bookings.add(app, at, authenticate, rates)
    holds.add(app, at, authenticate, rates)
    overrides.add(app, at, authenticate, rates)
    slots.add(app, at, authenticate)
    return app
