"""Who is owed what, row by row, and what it says."""

import hashlib
from dataclasses import replace
from datetime import timedelta

import pytest
from youai_contracts import topics
from youai_contracts.events import EVENTS, Event, NotificationSent
from youai_notify.domain.known import Known, Session, is_live
from youai_notify.domain.owed import KINDS, Notice, owed, subject_elsewhere
from youai_notify.domain.texts import MOST_BODY, MOST_TITLE, TEXTS, Words, say
from youai_notify.store import _sent

from tests.unit.notify.story import (
    KNOWN,
    NINE,
    PROVIDER,
    SOURCE,
    TITLE,
    VENUE,
    answered,
    asked,
    booking,
    claim,
    claim_requested,
    demand,
    listed,
    offer,
    organization,
    posted,
    revised,
    session,
)

SCHEDULED = demand("demand-scheduled", scheduled_at=NINE, place="村委会", note="带小板凳")
HANDED_BACK = demand("demand-handed-back", reason="handed-back", explanation="人手不够")
FULFILLED = demand("demand-fulfilled", rating=5, residents_served=76, comment="讲得好")
HELD = booking("promoted", "place-freed", hold_until="2026-12-05T04:30:00.000Z")

OWED: list[tuple[Event, list[tuple[str, str]]]] = [
    (posted(), [("dept-1", "demand-fits"), ("dept-2", "demand-fits")]),
    (posted(category="环保"), []),
    (claim("confirmed"), [(VENUE, "demand-claimed"), (PROVIDER, "claim-confirmed")]),
    (claim("rejected", "claimed"), [(PROVIDER, "claim-rejected")]),
    (claim("ended", "handed-back"), [(VENUE, "claim-ended")]),
    (claim("ended", "lapsed"), [(VENUE, "claim-ended"), (PROVIDER, "claim-ended")]),
    (claim("ended", "center"), [(PROVIDER, "claim-ended")]),
    (claim("ended", "demand-withdrawn"), [(PROVIDER, "claim-ended")]),
    (claim("ended", "demand-expired"), [(PROVIDER, "claim-ended")]),
    (SCHEDULED, [(VENUE, "demand-scheduled")]),
    (HANDED_BACK, [(VENUE, "demand-handed-back")]),
    (FULFILLED, [(PROVIDER, "demand-fulfilled")]),
    (booking("confirmed"), [(VENUE, "booking-confirmed")]),
    (booking("waitlisted", "full", place=3, ahead=5), [(VENUE, "booking-waitlisted")]),
    (booking("rejected", "waitlist-full"), [(VENUE, "booking-rejected")]),
    (booking("promoted", "place-freed"), [(VENUE, "booking-promoted")]),
    (booking("released", "session-cancelled"), [(VENUE, "booking-released")]),
    (booking("released", "closed"), [(VENUE, "booking-released")]),
    (booking("released", "cancelled"), []),
    (booking("released", "declined"), []),
    (booking("released", "cancelled-late"), [(VENUE, "booking-released")]),
    (booking("released", "not-accepted"), [(VENUE, "booking-released")]),
    (booking("released", "limit"), [(VENUE, "booking-released")]),
    (booking("entered", "entered"), [(VENUE, "booking-entered")]),
    (booking("confirmed", "drawn"), [(VENUE, "booking-confirmed")]),
    (booking("confirmed", "accepted"), [(VENUE, "booking-confirmed")]),
    (booking("confirmed", "override"), [(VENUE, "booking-confirmed")]),
    (booking("waitlisted", "drawn-behind", place=2, ahead=4), [(VENUE, "booking-waitlisted")]),
    (HELD, [(VENUE, "booking-promoted")]),
    (booking("lapsed", "hold-lapsed", place=9, ahead=4), [(VENUE, "booking-lapsed")]),
    (booking("lapsed", "hold-lapsed-again"), [(VENUE, "booking-lapsed")]),
    (booking("displaced", "capacity-cut", place=1, ahead=0), [(VENUE, "booking-displaced")]),
    (booking("displaced", "capacity-cut-closed"), [(VENUE, "booking-displaced")]),
    (revised(starts_at=NINE), [(VENUE, "session-revised"), ("station-2", "session-revised")]),
    (revised("slot-2", starts_at=NINE), []),
    (asked(), [("owner", "resource-asked")]),
    (answered(), [(VENUE, "resource-answered")]),
    (answered(accepted=False), [(VENUE, "resource-answered")]),
    (claim_requested(), []),
    (demand("demand-claimed", lease_until=NINE), []),
    (listed(), []),
    (offer(), []),
    (session(), []),
    (organization("dept-1"), []),
]


def told(event: Event, known: Known = KNOWN) -> list[Notice]:
    return owed(event, SOURCE, known)


@pytest.mark.parametrize(("event", "wanted"), OWED, ids=lambda value: getattr(value, "type", ""))
def test_each_event_owes_what_the_table_says(event: Event, wanted: list[tuple[str, str]]) -> None:
    assert [(notice.recipient_id, notice.kind) for notice in told(event)] == wanted


def test_the_rows_above_reach_every_kind_and_every_text(monkeypatch: pytest.MonkeyPatch) -> None:
    reached: set[str] = set()

    def noting(entry: str, values: dict[str, object]) -> Words:
        reached.add(entry)
        return say(entry, values)

    monkeypatch.setattr("youai_notify.domain.owed.say", noting)
    assert {notice.kind for event, _ in OWED for notice in told(event)} == set(KINDS)
    assert reached == set(TEXTS)


def test_every_booking_and_claim_decision_is_thought_of() -> None:
    """A decision that comes to the contracts owes something, or stands here with why not."""
    thought_of = {event.type for event, _ in OWED}
    decided = {*topics.BOOKING.event_types, *topics.CLAIM.event_types}
    assert decided <= thought_of
    assert {kind for kind in KINDS if kind in EVENTS} >= decided - {"claim-confirmed", "claim-rejected", "claim-ended"}


@pytest.mark.parametrize("event", [event for event, wanted in OWED if wanted])
def test_each_text_names_its_subject_and_leaves_nothing_open(event: Event) -> None:
    for notice in told(event):
        words = notice.words
        title = {"booking": "亲子烘焙", "session": "亲子烘焙", "resource": "旗袍走秀教师"}.get(
            event.type.split("-")[0], TITLE
        )
        for text in (words.title_zh, words.title_en, words.body_zh, words.body_en):
            assert title in text
            assert "{" not in text
            assert "None" not in text
        assert notice.subject_id in ("demand-1", "slot-1", "resource-1")


def one(event: Event, recipient: str) -> Notice:
    (found,) = [notice for notice in told(event) if notice.recipient_id == recipient]
    return found


def test_texts_say_where_one_stands_who_won_when_and_why() -> None:
    waits = one(booking("waitlisted", "full", place=3, ahead=5, reason_zh="前面还有5个名额的需求。"), VENUE).words
    assert waits.title_zh == "候补第3位：亲子烘焙"
    assert waits.title_en == "Number 3 in the queue: 亲子烘焙"
    assert waits.body_zh == "“亲子烘焙”，2026年12月5日 09:00，大新镇文化中心，1个名额。前面还有5个名额的需求。"
    assert "2026-12-05 09:00" in waits.body_en
    lost = one(claim("rejected", "claimed", reason_zh="本需求已由乙队接单。", reason_en="B has it."), PROVIDER).words
    assert lost.body_zh == f"中山村站的需求“{TITLE}”没有接到。本需求已由乙队接单。"
    assert lost.body_en.endswith("B has it.")
    won = one(claim("confirmed", taken=1, capacity=2), VENUE).words
    assert won.body_zh.startswith(f"红色讲坛接下了贵单位的需求“{TITLE}”（已接1家，共需2家）")
    assert one(SCHEDULED, VENUE).words.body_zh == f"红色讲坛将于2026年12月5日 09:00在村委会开展“{TITLE}”。带小板凳"
    assert one(FULFILLED, PROVIDER).words.body_zh.endswith("服务76人，评分5分（满分5分）。讲得好")
    assert "人手不够" in one(HANDED_BACK, VENUE).words.body_zh
    ended = claim("ended", "lapsed")
    assert one(ended, VENUE).words != one(ended, PROVIDER).words
    assert one(answered(accepted=True), VENUE).words.title_en.startswith("Yes")
    assert one(answered(accepted=False), VENUE).words.title_en.startswith("No")
    wanted = one(asked(wanted_from=NINE), "owner").words
    assert wanted.body_zh == "阳光社区想请贵单位的“旗袍走秀教师”，希望从2026年12月5日 09:00开始。教走秀"
    fits = one(posted(places_wanted=2), "dept-2").words
    assert "中山村站（大新镇）" in fits.body_zh
    assert "需要2家单位" in fits.body_zh


def test_the_longest_texts_and_braces_fit_the_contract() -> None:
    long = posted(title="{0}" + "长" * 197, description="{title}" + "述" * 3_990)
    (first, _) = told(long)
    assert (len(first.words.title_zh), len(first.words.body_zh)) == (MOST_TITLE, MOST_BODY)
    assert first.words.title_zh.startswith("新需求：{0}长")
    assert first.words.title_zh.endswith("…")
    sent = _sent(first, first.id, muted=False)
    assert isinstance(sent, NotificationSent)
    assert sent.occurred_at == NINE


def test_the_id_is_that_of_the_contract_and_differs_by_each_of_its_parts() -> None:
    notice = one(claim("confirmed"), PROVIDER)
    named = f"{PROVIDER}\x00{SOURCE.topic}\x00{SOURCE.id}\x00claim-confirmed"
    assert notice.id == "n-" + hashlib.sha256(named.encode()).hexdigest()[:32]
    later = replace(SOURCE, at=NINE + timedelta(days=1))
    assert owed(claim("confirmed"), later, KNOWN)[1].id == notice.id
    others = [
        replace(notice, recipient_id="x"),
        replace(notice, kind="x"),
        replace(notice, source=replace(SOURCE, id="x")),
        replace(notice, source=replace(SOURCE, topic="x")),
    ]
    assert len({notice.id, *(other.id for other in others)}) == 5


def test_a_decision_says_what_it_waits_for_and_fails_loudly_without_it() -> None:
    assert subject_elsewhere(booking("confirmed")) == "slot-1"
    assert subject_elsewhere(booking("released", "cancelled")) is None
    assert subject_elsewhere(claim("rejected", "claimed")) == "claim-1"
    assert subject_elsewhere(posted()) is None
    for event in (booking("confirmed"), claim("confirmed")):
        with pytest.raises(KeyError):
            told(event, Known())
    # Their subject stands in their own partition, before them; should it have been lost, the id does for a name.
    assert one(SCHEDULED, VENUE).recipient_id == told(SCHEDULED, Known())[0].recipient_id
    assert "demand-1" in told(SCHEDULED, Known())[0].words.title_zh
    assert "resource-1" in told(asked(), Known())[0].words.title_zh


def test_a_hold_says_until_when_and_where_to_accept() -> None:
    held = one(HELD, VENUE).words
    assert held.title_zh == "名额已为您保留，请确认：亲子烘焙"
    assert held.body_zh.endswith("期限：2026年12月5日 12:30，办理：/bookings/request-1")  # the city's time
    assert held.body_en.endswith("Until 2026-12-05 12:30, here: /bookings/request-1")
    at_once = one(booking("promoted", "place-freed"), VENUE).words
    assert at_once.title_zh == "递补成功：亲子烘焙"
    assert "/bookings/" not in at_once.body_zh


def test_who_lost_a_hold_or_its_places_is_told_where_it_stands_and_what_else_there_is() -> None:
    behind = one(booking("lapsed", "hold-lapsed", place=9, ahead=4), VENUE).words
    assert "第9位" in behind.title_zh
    assert "退出候补" in one(booking("lapsed", "hold-lapsed-again"), VENUE).words.title_zh
    first = one(booking("displaced", "capacity-cut", place=1, ahead=0), VENUE).words
    assert first.title_zh == "名额减少，您改为候补第1位：亲子烘焙"
    assert first.body_zh.endswith("该项目的其他场次列在项目页（/offers/offer-1），可另行点单。")
    assert "(/offers/offer-1)" in first.body_en
    gone = booking("displaced", "capacity-cut-closed")
    assert "收回" in one(gone, VENUE).words.title_zh
    unnamed = owed(gone, SOURCE, Known(sessions={"slot-1": Session("亲子烘焙", NINE, "站")}))
    assert unnamed[0].words.body_zh.endswith("该项目的其他场次列在项目页，可另行点单。")


def test_a_revision_says_what_changes_and_what_stays() -> None:
    moved = revised(starts_at=NINE, ends_at=NINE + timedelta(hours=2), venue_name="村委会", capacity=30)
    words = one(moved, VENUE).words
    assert words.body_zh == (
        "“亲子烘焙”有变：开始时间改为2026年12月5日 09:00；结束时间改为2026年12月5日 11:00；地点改为村委会；"
        "名额改为30个。说明：讲师改期"
    )
    assert "it is held at 村委会" in words.body_en
    assert "there are 30 places" in words.body_en
    assert one(revised(reason=""), VENUE).words.body_zh == "“亲子烘焙”有变：时间、地点和名额不变。"
    booked = one(revised(opens_at=NINE, closes_at=NINE), VENUE).words.body_zh
    assert "预约开放时间改为2026年12月5日 09:00；预约截止时间改为" in booked


def test_who_is_live() -> None:
    for outcome in ("entered", "confirmed", "waitlisted", "promoted"):
        assert is_live(booking(outcome))
    for outcome in ("rejected", "released"):
        assert not is_live(booking(outcome))
    for outcome in ("lapsed", "displaced"):
        assert is_live(booking(outcome, place=1))
        assert not is_live(booking(outcome))
