"""Bodies: strict types, known fields alone, and nothing that an event could not carry."""

from typing import Any

import msgspec
import pytest
from pydantic import TypeAdapter, ValidationError
from youai_catalog.forms import OfferForm, OpenForm, OrganizationForm, RecurrenceForm, SessionForm, SessionsForm
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


def test_draws_are_not_promised_yet() -> None:
    assert wrong(OfferForm.model_validate, OFFER | {"mode": "draw"}) == ["mode"]


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
