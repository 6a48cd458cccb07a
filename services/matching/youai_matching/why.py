"""Why a booking stands where it stands: what was before it, who had the last place, its rank in the draw."""

from typing import Any

import asyncpg
from youai_runtime.database import Connection

from youai_matching.domain.receipts import instant

MOST_REMEMBERED = 50_000

_STORY = """
WITH mine AS (
    SELECT partition, log_offset, index FROM decision WHERE request_id = $1 AND type <> 'booking-entered'
    ORDER BY log_offset, index LIMIT 1
), last AS (
    SELECT d.request_id FROM decision AS d, mine
    WHERE d.slot_id = $2 AND d.type IN ('booking-confirmed', 'booking-promoted')
        AND (d.log_offset, d.index) < (mine.log_offset, mine.index)
    ORDER BY d.log_offset DESC, d.index DESC LIMIT 1
)
SELECT (SELECT count(*) FROM booking WHERE slot_id = $2 AND log_offset < $3) + 1 AS number,
    mine.index + 1 AS rank,
    (SELECT max(d.index) + 1 FROM decision AS d WHERE (d.partition, d.log_offset) = (mine.partition, mine.log_offset))
        AS drawn,
    b.party_size AS last_party_size,
    (SELECT count(*) FROM booking WHERE slot_id = $2 AND log_offset < b.log_offset) + 1 AS last_number,
    (SELECT d.decided_at FROM decision AS d WHERE d.request_id = last.request_id ORDER BY d.log_offset, d.index LIMIT 1)
        AS last_at
FROM (SELECT 1) AS one
LEFT JOIN mine ON true
LEFT JOIN last ON true
LEFT JOIN booking AS b ON b.slot_id = $2 AND b.request_id = last.request_id
"""


class Stories:
    """Remembers what never changes of a decided booking, so that asking again counts nothing again."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, bool], asyncpg.Record] = {}

    async def of(self, connection: Connection, booking: asyncpg.Record) -> asyncpg.Record | None:
        """A booking's number in its slot, the last place given before it, its rank in a draw; None if undecided.

        `booking` as from requests.booking.
        """
        if booking["log_offset"] is None:
            return None
        about = (booking["request_id"], booking["status"] == "entered")
        story = self._known.get(about)
        if story is None:
            story = await connection.fetchrow(_STORY, about[0], booking["slot_id"], booking["log_offset"])
            assert story is not None
            if len(self._known) >= MOST_REMEMBERED:
                self._known.clear()
            self._known[about] = story
        return story


def told(story: asyncpg.Record, booking: asyncpg.Record, decisions: list[dict[str, Any]]) -> dict[str, Any]:
    """What is needed to say in plain words why this booking, and not that one.

    `before`: requests before it; `taken`, `capacity`: when it was first answered with an outcome; `last`: the request
    that was given the last place before that; `draw`: its rank and how many were drawn; `lapses`, `passes`;
    `second`: where it waits in the second class.
    """
    outcome = next((decision for decision in decisions if decision["outcome"] != "entered"), None)
    drawn = outcome is not None and decisions[0]["outcome"] == "entered" and outcome["outcome"] != "released"
    last = None
    if story["last_number"] is not None and story["last_party_size"] is not None:
        last = {
            "number": story["last_number"],
            "asked_at": story["last_at"],
            "party_size": story["last_party_size"],
        }
    return {
        "before": story["number"] - 1,
        "taken": outcome and outcome["taken"],
        "capacity": outcome and outcome["capacity"],
        "last": last,
        "draw": {"rank": story["rank"], "drawn": story["drawn"]} if drawn else None,
        "lapses": booking["lapses"],
        "passes": booking["passes"],
        "second": second(booking),
    }


def second(booking: asyncpg.Record) -> dict[str, str] | None:
    """That it waits in the second class: until when, and why, in words; None where it stands behind nobody for that."""
    if booking["second_until"] is None or booking["status"] != "waitlisted":
        return None
    return {
        "until": instant(booking["second_until"]),
        "zh": "贵单位近期有临时取消或缺席的记录，按规则暂排在没有记录的单位之后；临近开始时按先后一起排。",
        "en": "Your venue cancelled late or did not come of late: until near the session it stands behind those that"
        " did not; then all stand in one line.",
    }
