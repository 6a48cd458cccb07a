"""Fast tests: no broker, no database, no deadline that a busy machine could miss, no log lines."""

from typing import NoReturn

import structlog
from hypothesis import HealthCheck, settings


def _drop(*_: object) -> NoReturn:
    raise structlog.DropEvent


settings.register_profile("youai", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("youai")
structlog.configure(processors=[_drop])
