"""Bodies: strict types, known fields alone, and nothing that an event could not carry."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError
from youai_demand.forms import DemandForm, DemandsQuery, FulfilForm, HandBackForm, ScheduleForm

DEMAND: dict[str, Any] = {
    "category": "其他",
    "title": "旗袍队找老师",
    "residents": 12,
    "wanted_from": "2026-12-01T09:00:00+08:00",
    "wanted_until": "2026-12-10T09:00:00+08:00",
}
RESIDENT = {"name": "测试居民", "phone": "000-0000", "address": "某村", "note": "不用手机\n请写信"}
TEXTS: tuple[object, ...] = ("\x00", "a\x00b", "\ud800", "\x1b[2J", " ", "x" * 4_001, 5, None, True, [], {}, ["a"])


def wrong(form: type[BaseModel], body: dict[str, Any]) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        form.model_validate(body)
    return [".".join(str(part) for part in error["loc"]) for error in caught.value.errors()]


def test_what_is_good() -> None:
    form = DemandForm.model_validate(DEMAND | {"resident": RESIDENT})
    assert form.wanted_from == datetime(2026, 12, 1, 1, tzinfo=UTC)
    assert (form.places_wanted, form.demand_id, form.venue_id) == (1, None, None)
    assert DemandForm.model_validate(DEMAND | {"description": ""}).resident is None


@pytest.mark.parametrize("bad", TEXTS, ids=ascii)
@pytest.mark.parametrize("field", ["title", "description", "category", "wanted_from", "residents"])
def test_fields_of_a_demand(field: str, bad: Any) -> None:
    if (field, bad) == ("residents", 5):
        return
    assert wrong(DemandForm, DEMAND | {field: bad}) == [field]


@pytest.mark.parametrize(
    ("field", "bad"),
    [
        ("venue_id", "a b"),
        ("venue_id", "a/b"),
        ("demand_id", ""),
        ("demand_id", "x" * 101),
        ("residents", 0),
        ("residents", 100_001),
        ("residents", 1.5),
        ("residents", "3"),
        ("places_wanted", 0),
        ("places_wanted", 51),
        ("wanted_until", "2026-12-10"),
        ("wanted_until", "2026-12-10T09:00:00"),
        ("wanted_until", "2026-13-10T09:00:00Z"),
        ("wanted_until", "1999-12-10T09:00:00Z"),
        ("on_behalf", "resident-1"),
        ("posted_by_role", "center"),
        ("venue_name", "站"),
        ("town", "镇"),
    ],
)
def test_bad_values_and_what_the_service_knows_itself(field: str, bad: Any) -> None:
    assert wrong(DemandForm, DEMAND | {field: bad}) == [field]


def test_what_is_wrong_with_a_resident_is_said_without_saying_who() -> None:
    secrets = {"name": "真名\x00", "phone": "138" * 100, "address": 5, "note": "\x1b", "extra": "x"}
    with pytest.raises(ValidationError) as caught:
        DemandForm.model_validate(DEMAND | {"resident": secrets})
    errors = caught.value.errors()
    assert {error["loc"] for error in errors} == {("resident", name) for name in secrets}
    for error in errors:
        assert "真名" not in error["msg"]
        assert "138" not in error["msg"]


@pytest.mark.parametrize(
    ("form", "good", "bad"),
    [
        (ScheduleForm, {"scheduled_at": "2026-12-01T09:00:00Z"}, {"scheduled_at": 5}),
        (HandBackForm, {"reason": "病了"}, {"reason": ""}),
        (FulfilForm, {"rating": 5, "residents_served": 0}, {"rating": 6}),
        (FulfilForm, {"rating": 1, "residents_served": 0}, {"rating": 0}),
        (FulfilForm, {"rating": 1, "residents_served": 0}, {"rating": True}),
        (FulfilForm, {"rating": 1, "residents_served": 0}, {"residents_served": -1}),
        (DemandsQuery, {}, {"state": "lost"}),
        (DemandsQuery, {"limit": 500}, {"limit": 501}),
        (DemandsQuery, {}, {"q": ""}),
        (DemandsQuery, {}, {"colour": "red"}),
    ],
)
def test_the_other_forms(form: type[BaseModel], good: dict[str, Any], bad: dict[str, Any]) -> None:
    form.model_validate(good)
    assert wrong(form, good | bad) == list(bad)
