"""Who is owed what, row by row, and what it says."""

import hashlib
from dataclasses import replace
from datetime import timedelta

import pytest
from youai_contracts import topics
from youai_contracts.events import EVENTS, Event, NotificationSent
from youai_notify.domain.owed import KINDS, Known, Notice, owed, subject_elsewhere
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
    session,
)

SCHEDULED = demand("demand-scheduled", scheduled_at=NINE, place="村委会", note="带小板凳")
HANDED_BACK = demand("demand-handed-back", reason="handed-back", explanation="人手不够")
FULFILLED = demand("demand-fulfilled", rating=5, residents_served=76, comment="讲得好")

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
        title = {"booking": "亲子烘焙", "resource": "旗袍走秀教师"}.get(event.type.split("-")[0], TITLE)
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
    sent = _sent(first, first.id)
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
