"""What is said of a demand in plain words."""

from typing import Any

import msgspec
import pytest
from youai_contracts import events
from youai_contracts.codec import encode_data
from youai_demand import words
from youai_demand.domain import COMMANDS, MOVES, Refused

from tests.unit.demand.test_domain import AT, TEAM, UNTIL

COMMON: dict[str, Any] = {"demand_id": "d", "venue_id": "s", "actor": TEAM}
TEAMS: dict[str, Any] = {**COMMON, "claim_id": "c", "provider_id": "t", "provider_name": "红色讲坛队"}
SAID: list[tuple[events.Event, str]] = [
    (
        events.DemandPosted(
            **COMMON,
            venue_name="中山村站",
            town="大新镇",
            category="理论宣讲",
            title="请来{讲}",
            residents=4,
            wanted_from=AT,
            wanted_until=UNTIL,
            posted_by_role="collector",
            on_behalf="resident-1",
        ),
        "中山村站发布需求：请来{讲}",
    ),
    (events.DemandClaimRequested(**TEAMS), "红色讲坛队请求接单"),
    (events.DemandClaimed(**TEAMS, lease_until=UNTIL), "红色讲坛队接单成功"),
    (
        events.DemandScheduled(**TEAMS, scheduled_at=AT, place="村活动室", note="私"),
        "红色讲坛队安排了时间：2026-12-01 17:00，村活动室",
    ),
    (
        events.DemandFulfilled(**TEAMS, rating=5, residents_served=40, comment="私"),
        "红色讲坛队的服务已完成，服务40人，评分5",
    ),
    (events.DemandHandedBack(**TEAMS, reason="handed-back", explanation="私"), "红色讲坛队退单，需求重新开放"),
    (events.DemandHandedBack(**TEAMS, reason="center"), "指导中心收回了红色讲坛队的接单"),
    (events.DemandHandedBack(**TEAMS, reason="lapsed"), "红色讲坛队逾期未安排，需求重新开放"),
    (
        events.DemandClaimEndRequested(**COMMON, claim_id="c", provider_id="t", reason="handed-back", explanation="私"),
        "承接单位申请退单",
    ),
    (events.DemandWithdrawn(**COMMON, reason="私"), "发布单位撤回了需求"),
    (events.DemandExpired(**COMMON), "到期无人接单，需求过期"),
]


@pytest.mark.parametrize(("event", "zh"), SAID, ids=lambda value: getattr(value, "type", ""))
def test_every_event_has_its_words(event: events.Event, zh: str) -> None:
    said = words.of_event(event.type, msgspec.json.decode(encode_data(event)))
    assert said[0] == zh
    assert "私" not in said[1]
    assert "{provider" not in said[1]


def test_all_events_of_a_demand_are_there() -> None:
    told = {name for name, cls in events.EVENTS.items() if issubclass(cls, events.DemandEvent)}
    assert {event.type for event, _ in SAID} == told


def test_a_refusal_says_the_state_who_has_it_and_what_can_be_done() -> None:
    zh, en = words.of_refusal(
        Refused("已有单位接单", "it has been claimed", "claimed", ("schedule", "withdraw"), (("t", "红色讲坛队"),))
    )
    assert zh == "需求目前已接单：已有单位接单。承接单位：红色讲坛队。现在可以：安排时间、撤回。"
    assert en == "The demand is claimed: it has been claimed. It is with 红色讲坛队. Possible now: schedule, withdraw."
    assert set(words.STATES_ZH) == set(MOVES)
    assert set(words.COMMANDS_ZH) == set(COMMANDS)
