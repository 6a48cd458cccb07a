"""What may be changed of a session, and until when. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from youai_catalog.domain import Fault, times_fault

FIELDS = ("capacity", "opens_at", "closes_at", "starts_at", "ends_at", "venue_name")
_TIMES = ("opens_at", "closes_at", "starts_at", "ends_at")


class Refused(Exception):
    """A change that may not be. `field`: the one that says what cannot be; None if it is the session that is over."""

    def __init__(self, code: str, fault: Fault, field: str | None = None) -> None:
        super().__init__(fault.en)
        self.code, self.fault, self.field = code, fault, field


def over(session: Mapping[str, Any], at: datetime) -> Refused | None:
    """Why a session (a row: `state`, `ends_at`) can be revised no more, or None."""
    if session["state"] != "open":
        return Refused("session-cancelled", Fault("这个场次已取消", "this session was cancelled"))
    if at >= session["ends_at"]:
        return Refused("session-ended", Fault("这个场次已结束", "this session has ended"))
    return None


def changes(session: Mapping[str, Any], wanted: Mapping[str, Any], at: datetime) -> dict[str, Any]:
    """Of what is wanted of a session, what is otherwise than it stands. Raises Refused.

    What matching would pass over is refused here, so that both know the same: another opening once booking has opened,
    another closing once it has closed.
    """
    ended = over(session, at)
    if ended is not None:
        raise ended
    found = {name: wanted[name] for name in FIELDS if name in wanted and wanted[name] != session[name]}
    if "opens_at" in found and at >= session["opens_at"]:
        raise Refused("booking-open", Fault("预约已开放，开放时间不能再改", "booking has opened: opens_at stays"))
    if "closes_at" in found and at >= session["closes_at"]:
        raise Refused("booking-closed", Fault("预约已截止，截止时间不能再改", "booking has closed: closes_at stays"))
    for name in ("starts_at", "ends_at"):
        if name in found and found[name] <= at:
            raise Refused("invalid", Fault("不能改到过去", "it must lie in the future"), name)
    fault = times_fault(*((found.get(name) or session[name]) for name in _TIMES))
    if fault is not None:
        raise Refused("invalid", fault, next((name for name in _TIMES if name in found), _TIMES[0]))
    return found
