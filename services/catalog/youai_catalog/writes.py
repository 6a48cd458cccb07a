"""What every write shares: its actor, its events in the outbox, and the refusals that more than one may give."""

from collections.abc import Sequence

from youai_contracts.events import Actor, Event
from youai_runtime import outbox, problems
from youai_runtime.auth import Principal
from youai_runtime.database import Connection
from youai_runtime.observed import current_traceparent
from youai_runtime.problems import Problem

from youai_catalog import SOURCE


async def add(connection: Connection, events: Sequence[Event]) -> None:
    """Store events with the state that they tell of, in the transaction at hand."""
    if events:
        await outbox.add(connection, events, source=SOURCE, traceparent=current_traceparent())


def actor(who: Principal) -> Actor:
    """Who gave the command, as events name it."""
    return Actor(subject=who.subject, organization_id=who.organization_id)


def not_own(what_zh: str = "项目") -> Problem:
    """It is another organization's."""
    return problems.forbidden(
        f"只能管理本单位或下级单位的{what_zh}。", "You can act for your own organization and those below it alone."
    )


def taken(code: str, taken_id: str) -> Problem:
    """Something else has that id."""
    return Problem(409, code, f"编号 {taken_id} 已被使用。", f"The id {taken_id} is taken.")


def invalid(field: str, zh: str, en: str) -> Problem:
    """A field says what cannot be."""
    return Problem(
        422, "invalid", f"{field}：{zh}。", f"{field}: {en}.", extra={"errors": [{"field": field, "message": en}]}
    )
