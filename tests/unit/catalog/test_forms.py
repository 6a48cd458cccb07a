"""Bodies: strict types, known fields alone, and nothing that an event could not carry."""

from typing import Any

import msgspec
import pytest
from pydantic import TypeAdapter, ValidationError
from youai_catalog.forms import OfferForm, OpenForm, OrganizationForm, RecurrenceForm, SessionForm, SessionsForm
from youai_catalog.session_forms import AttendanceForm, SessionRevisionForm
from youai_contracts import events
from youai_runtime.auth import Principal
from youai_runtime.keys import Keyed
from youai_runtime.problems import Problem

ORGANIZATION: dict[str, Any] = {
    "organization_id": "s",
    "parent_id": "i",
    "kind": "venue",
    "level": "station",
    "name": "站",
}
OFFER: dict[str, Any] = {"provider_id": "d", "category": "其他", "title": "课"}
SESSION: dict[str, Any] = {
    "capacity": 3,
    "opens_at": "2026-12-01T09:00:00+08:00",
    "closes_at": "2026-12-10T09:00:00+08:00",
    "starts_at": "2026-12-11T09:00:00+08:00",
    "ends_at": "2026-12-11T11:00:00+08:00",
    "venue_name": "站",
}
TEXTS: tuple[object, ...] = ("\x00", "a\x00b", "\ud800", "\x1b[2J", "x" * 4_001, 5, None, True, [], {}, ["a"])
opening: TypeAdapter[SessionForm | SessionsForm | RecurrenceForm] = TypeAdapter(OpenForm)


def wrong(form: Any, body: dict[str, Any]) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        form(body)
    return [".".join(str(part) for part in error["loc"]) for error in caught.value.errors()]


@pytest.mark.parametrize("form", [OrganizationForm, OfferForm, SessionForm])
def test_unknown_fields_are_refused(form: Any) -> None:
    body = {OrganizationForm: ORGANIZATION, OfferForm: OFFER, SessionForm: SESSION}[form]
    form.model_validate(body)
    assert wrong(form.model_validate, body | {"nonsense": 1}) == ["nonsense"]


@pytest.mark.parametrize("bad", TEXTS, ids=repr)
@pytest.mark.parametrize("field", ["organization_id", "name", "town", "kind", "level"])
def test_texts_of_an_organization(field: str, bad: Any) -> None:
    assert wrong(OrganizationForm.model_validate, ORGANIZATION | {field: bad}) == [field]


@pytest.mark.parametrize("bad", TEXTS, ids=repr)
@pytest.mark.parametrize("field", ["provider_id", "title", "description", "audience", "category", "mode"])
def test_texts_of_an_offer(field: str, bad: Any) -> None:
    assert wrong(OfferForm.model_validate, OFFER | {field: bad}) == [field]


@pytest.mark.parametrize(
    ("field", "bad"),
    [
        ("capacity", 0),
        ("capacity", 100_001),
        ("capacity", 3.0),
        ("capacity", "3"),
        ("capacity", True),
        ("capacity", None),
        ("waitlist", -1),
        ("waitlist", 2**53),
        ("waitlist", "1"),
        ("opens_at", 1_764_579_600),
        ("opens_at", "2026-12-01T09:00:00"),
        ("starts_at", None),
        ("venue_name", ""),
        ("venue_name", " "),
        ("session_id", "demand:x"),
        ("session_id", "a b"),
        ("session_id", "x" * 101),
    ],
)
def test_fields_of_a_session(field: str, bad: Any) -> None:
    assert wrong(opening.validate_python, SESSION | {field: bad}) == [field]
    assert wrong(opening.validate_python, {"sessions": [SESSION, SESSION | {field: bad}]}) == [f"sessions.1.{field}"]


def test_lists_of_sessions() -> None:
    many = opening.validate_python({"sessions": [SESSION] * 200})
    assert isinstance(many, SessionsForm)
    assert wrong(opening.validate_python, {"sessions": [SESSION] * 201}) == ["sessions"]
    assert wrong(opening.validate_python, {"sessions": []}) == ["sessions"]
    assert wrong(opening.validate_python, {"sessions": SESSION}) == ["sessions"]
    assert wrong(opening.validate_python, {"sessions": [SESSION], **SESSION})
    assert wrong(opening.validate_python, {"sessions": [SESSION | {"session_id": "a"}] * 2}) == [""]


@pytest.mark.parametrize("bad", [None, 5, "x", [], [SESSION]], ids=repr)
def test_a_body_that_is_no_object(bad: Any) -> None:
    assert wrong(opening.validate_python, bad)


def test_a_mode_is_one_that_is_decided() -> None:
    assert OfferForm.model_validate(OFFER).mode == "arrival"
    assert OfferForm.model_validate(OFFER | {"mode": "draw"}).mode == "draw"
    assert wrong(OfferForm.model_validate, OFFER | {"mode": "wishes"}) == ["mode"]


RECURRENCE: dict[str, Any] = {
    "rrule": "FREQ=WEEKLY;COUNT=2",
    "from": "2026-12-12T09:00:00+08:00",
    "duration_minutes": 60,
    "capacity": 3,
    "opens_at": "2026-12-01T09:00:00+08:00",
    "closes_before_minutes": 60,
    "venue_name": "站",
}


def test_places_kept_for_towns_are_within_the_capacity() -> None:
    kept = {"town_shares": {"大新镇": 2, "凤凰镇": 1}}
    assert SessionForm.model_validate(SESSION | kept).town_shares == kept["town_shares"]
    by_rule = opening.validate_python({"recurrence": RECURRENCE | kept})
    assert isinstance(by_rule, RecurrenceForm)
    assert [one.town_shares for one in by_rule.recurrence.sessions()] == [kept["town_shares"]] * 2
    assert wrong(opening.validate_python, SESSION | kept | {"capacity": 2}) == [""]
    assert wrong(opening.validate_python, {"recurrence": RECURRENCE | kept | {"capacity": 2}}) == ["recurrence"]


@pytest.mark.parametrize(
    ("shares", "field"),
    [
        (None, "town_shares"),
        ([], "town_shares"),
        ({"大新镇": 0}, "town_shares.大新镇"),
        ({"大新镇": "1"}, "town_shares.大新镇"),
        ({"大新镇": 1.0}, "town_shares.大新镇"),
        ({"大新镇": None}, "town_shares.大新镇"),
        ({"": 1}, "town_shares..[key]"),
        ({"大\x00": 1}, "town_shares.大\x00.[key]"),
        ({f"镇{n}": 1 for n in range(51)}, "town_shares"),
    ],
    ids=repr,
)
def test_bad_places_for_towns(shares: Any, field: str) -> None:
    assert wrong(opening.validate_python, SESSION | {"capacity": 100, "town_shares": shares}) == [field]


def test_a_revision_changes_something_and_says_why() -> None:
    later = SessionRevisionForm.model_validate({"capacity": 4, "venue_name": None, "reason": "加位"})
    assert later.wanted() == {"capacity": 4}
    assert wrong(SessionRevisionForm.model_validate, {"reason": "没变"}) == [""]
    assert wrong(SessionRevisionForm.model_validate, {"reason": "没变", "capacity": None}) == [""]
    assert wrong(SessionRevisionForm.model_validate, {"capacity": 4}) == ["reason"]


@pytest.mark.parametrize(
    ("field", "bad"),
    [
        ("capacity", 0),
        ("capacity", 100_001),
        ("capacity", "4"),
        ("capacity", True),
        ("opens_at", "2026-12-01"),
        ("closes_at", 5),
        ("starts_at", "2026-12-01T09:00:00"),
        ("ends_at", "tomorrow"),
        ("venue_name", ""),
        ("venue_name", "\x00"),
        ("reason", ""),
        ("reason", " "),
        ("reason", None),
        ("reason", "x" * 4_001),
        ("mode", "draw"),  # a mode never changes
        ("town_shares", {}),
    ],
)
def test_fields_of_a_revision(field: str, bad: Any) -> None:
    body = {"capacity": 4, "reason": "加位"}
    assert wrong(SessionRevisionForm.model_validate, body | {field: bad}) == [field]


LINE: dict[str, Any] = {"request_id": "booking-1", "venue_id": "station-1", "attended": 0}


@pytest.mark.parametrize(
    ("field", "bad"),
    [
        ("attended", -1),
        ("attended", 100_001),
        ("attended", "1"),
        ("attended", None),
        ("attended", True),
        ("request_id", ""),
        ("request_id", "a b"),
        ("request_id", "x" * 201),
        ("venue_id", "x\x00"),
        ("name", "张三"),
    ],
)
def test_lines_of_attendance(field: str, bad: Any) -> None:
    AttendanceForm.model_validate({"attendance": [LINE | {"request_id": "x" * 200, "attended": 100_000}]})
    body = {"attendance": [LINE, LINE | {"request_id": "booking-2"} | {field: bad}]}
    assert wrong(AttendanceForm.model_validate, body) == [f"attendance.1.{field}"]


def test_attendance_is_bounded_and_says_one_thing_of_each() -> None:
    many = [LINE | {"request_id": f"b{n}"} for n in range(2_001)]
    AttendanceForm.model_validate({"attendance": many[:2_000]})
    assert wrong(AttendanceForm.model_validate, {"attendance": many}) == ["attendance"]
    assert wrong(AttendanceForm.model_validate, {"attendance": []}) == ["attendance"]
    assert wrong(AttendanceForm.model_validate, {"attendance": [LINE, LINE | {"attended": 1}]}) == [""]


def test_what_a_form_takes_its_event_takes() -> None:
    """The longest and oddest that a form lets pass must decode at every reader."""
    form = OfferForm.model_validate(
        OFFER | {"title": "题" * 200, "description": "\t\r\n" + "文" * 3_997, "towns": ["镇" * 200] * 50}
    )
    event = events.OfferPublished(
        offer_id="x" * 100,
        provider_id=form.provider_id,
        provider_name="名" * 200,
        category=form.category,
        title=form.title,
        description=form.description,
        towns=tuple(form.towns),
        audience=form.audience,
        actor=events.Actor(subject="s", organization_id="o"),
    )
    assert msgspec.json.decode(msgspec.json.encode(event), type=events.OfferPublished) == event


def test_a_key_is_the_organizations_and_the_calls_own() -> None:
    form = OfferForm.model_validate(OFFER)

    def keyed(organization: str = "a", call: str = "POST /v1/offers", key: str = "k", form: OfferForm = form) -> Keyed:
        return Keyed.of(Principal("s", organization, frozenset()), call, key, form)

    same = keyed()
    assert same == keyed()
    assert same.id("offer") == keyed().id("offer")
    assert len({same.key_hash, keyed("b").key_hash, keyed(call="x").key_hash, keyed(key="l").key_hash}) == 4
    assert len({same.id("session", 1), same.id("session", 2), same.id("session")}) == 3
    assert same.answer_again((same.body_hash, b"{}")) == b"{}"
    with pytest.raises(Problem) as caught:
        same.answer_again((keyed(form=form.model_copy(update={"title": "别的"})).body_hash, b"{}"))
    assert (caught.value.status, caught.value.code) == (409, "key-reused")


def test_the_same_time_in_another_zone_is_the_same_body() -> None:
    who = Principal("s", "o", frozenset())
    there = SessionForm.model_validate(SESSION)
    here = SessionForm.model_validate(SESSION | {"opens_at": "2026-12-01T01:00:00Z"})
    assert Keyed.of(who, "c", "k", there) == Keyed.of(who, "c", "k", here)
