"""Why not me: the sentences that a venue without places reads, from what matching knows."""

from datetime import UTC, datetime
from typing import Any

import pytest
from youai_portal import why, words

LAST = {"number": 20, "asked_at": "2026-12-01T01:00:02.500+00:00", "party_size": 2}


def booking(status: str = "waitlisted", reason: str = "full", **more: Any) -> dict[str, Any]:
    first = {"outcome": status, "reason": reason, "party_size": 3, "capacity": 50, "taken": 50}
    story = {"before": 41, "taken": 50, "capacity": 50, "last": LAST, "draw": None, "lapses": 0, "passes": 0}
    told = {"status": status, "reason": reason, "party_size": 3, "number": 42, "why": story}
    return told | {"receipts": [first | more.pop("first", {})], "why": story | more.pop("why", {})} | more


def zh(one: dict[str, Any], slot: dict[str, Any] | None = None) -> str:
    return "".join(why.sentences(one, slot, "zh"))


def test_in_order_of_arrival_it_names_the_number_and_when_the_places_were_gone() -> None:
    assert zh(booking()) == "您是本场第42个点单的，在您之前有41份。50个名额在第20份点单（09:00:02）时已满。"
    english = " ".join(why.sentences(booking(), None, "en"))
    assert "number 42" in english
    assert "booking number 20 (09:00:02)" in english
    assert english.isascii()


def test_too_little_left_is_said_as_such_and_not_as_full() -> None:
    told = zh(booking(first={"taken": 48}))
    assert "当时还空2个，不够您要的3个" in told
    assert "已满" not in told


def test_a_draw_names_the_rank_and_never_the_order_of_asking() -> None:
    one = booking(reason="drawn-behind", why={"draw": {"rank": 7, "drawn": 9}})
    one["receipts"].insert(0, {"outcome": "entered", "reason": "entered", "party_size": 3, "capacity": 50, "taken": 0})
    told = zh(one)
    assert told == "本场抽签，9份点单参加，您排在第7位。轮到您时，50个名额已经给完。"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"reason": "shares", "first": {"taken": 45, "reason": "shares"}}, "为其他镇保留的（大新镇5个）"),
        ({"reason": "kept", "first": {"taken": 45, "reason": "kept"}}, "为候补第一位攒的"),
        ({"why": {"lapses": 1}}, "有1次没有在保留期内确认"),
        ({"why": {"passes": 2}}, "您让过2次"),
        ({"why": {"second": {"until": "2026-12-04T01:00:00.000Z"}}}, "之前排在没有记录的单位之后"),
        ({"reason": "capacity-cut"}, "先收回还在保留的，再从最晚确认的收起"),
    ],
)
def test_each_rule_has_its_sentence(change: dict[str, Any], sentence: str) -> None:
    slot = {"town_shares": {"大新镇": 5}, "overrides": 0}
    assert sentence not in zh(booking(), slot)
    assert sentence in zh(booking(**change), slot)


def test_the_second_class_says_until_when() -> None:
    one = booking(why={"second": {"until": "2026-12-04T01:00:00.000Z"}})
    assert words.moment(datetime(2026, 12, 4, 1, tzinfo=UTC), "zh") in zh(one)
    english = " ".join(why.sentences(one, None, "en"))
    assert "behind those that did not until" in english
    assert english.isascii()


def test_overrides_are_told_to_who_lost() -> None:
    assert "指导中心在本场调配过2次" in zh(booking(), {"overrides": 2})


@pytest.mark.parametrize(
    ("status", "reason"),
    [("confirmed", "place-free"), ("promoted", "place-freed"), ("entered", "entered"), ("received", ""),
     ("rejected", "already-live"), ("rejected", "party-too-large"), ("released", "cancelled"),
     ("released", "declined")],
)  # fmt: skip
def test_nothing_where_there_is_nothing_to_explain(status: str, reason: str) -> None:
    assert why.sentences(booking(status, reason), {"overrides": 2}, "zh") == []


def test_what_an_answer_leaves_out_is_not_told() -> None:
    one = {"status": "waitlisted", "reason": "full", "party_size": 3, "why": {}}
    assert why.sentences(one, None, "zh") == []
    assert why.sentences(one | {"why": {"lapses": 1}}, None, "zh") != []
    assert why.sentences(one | {"why": None}, None, "zh") == []


@pytest.mark.parametrize("at", [1_780_275_602_500, "2026-06-01T01:00:02.500Z"])
def test_times_may_come_either_way(at: Any) -> None:
    assert "（09:00:02）" in zh(booking(why={"last": LAST | {"asked_at": at}}))
