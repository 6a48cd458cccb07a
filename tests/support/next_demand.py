"""Demand as its next version might be: `python -m tests.support.next_demand api | worker`.

Its demand-posted has one more optional field, which no other service knows yet.
"""

from typing import Any

from youai_contracts.events import DemandPosted
from youai_demand import __main__ as demand
from youai_demand import commands

NEW_FIELD = "audience"


class NextDemandPosted(DemandPosted, frozen=True, kw_only=True):
    """Says too whom it is for."""

    audience: str | None = None


def posted(**fields: Any) -> NextDemandPosted:
    """The event as the next version makes it."""
    return NextDemandPosted(**fields, audience="老年人")


if __name__ == "__main__":
    setattr(commands, "DemandPosted", posted)  # noqa: B010  # what it is called there names a class
    demand.main()
