"""Fields of bodies: what an id, a text, a time and a day may be, and how a refusal is worded."""

from collections.abc import Mapping
from datetime import UTC, date, datetime

import pytest
from pydantic import ValidationError
from youai_runtime import fields
from youai_runtime.fields import Day, Form, Id, Instant, Label, Name, Reason, Text


@pytest.mark.parametrize("value", ["a", "station-1", "大新镇-01", "a:b", "x" * 100])
def test_ids(value: str) -> None:
    assert fields.id_wrong(value) is None


@pytest.mark.parametrize(
    "value", ["", "x" * 101, "a b", "a\n", "a\x00", "\x7f", "\x85", "a/b", "\u3000", "\u2028", "\ud800"]
)
def test_no_ids(value: str) -> None:
    assert fields.id_wrong(value) is not None


@pytest.mark.parametrize(
    ("value", "options"),
    [
        ("", {}),
        ("  ", {}),
        (" ", {"empty": True}),
        ("a\nb", {}),
        ("\x00", {"lines": True}),
        ("\ud83d", {}),
        ("x" * 201, {}),
    ],
)
def test_no_texts(value: str, options: Mapping[str, bool]) -> None:
    assert fields.text_wrong(value, **options) is not None


@pytest.mark.parametrize(
    ("value", "options"), [("", {"empty": True}), ("a\r\n\tb", {"lines": True}), ("旗袍队 😀", {})]
)
def test_texts(value: str, options: Mapping[str, bool]) -> None:
    assert fields.text_wrong(value, **options) is None


def test_an_instant_is_utc_and_cut_to_the_millisecond() -> None:
    at = datetime(2026, 12, 1, 1, 0, 0, 123_000, UTC)
    for value in ("2026-12-01T09:00:00.123999+08:00", "2026-12-01T01:00:00.123Z", "2026-12-01t01:00:00.123456789z"):
        assert fields.instant(value) == at


@pytest.mark.parametrize(
    "value",
    [
        "2026-12-01",
        "2026-12-01T09:00:00",
        "2026-12-01 09:00:00Z",
        "2026-13-01T09:00:00Z",
        "2026-12-01T24:00:01Z",
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-12:00",
        "1764579600",
        "２026-12-01T09:00:00Z",
        "2026-12-01T09:00:00Z\n",
    ],
)
def test_no_instants(value: str) -> None:
    assert fields.instant(value) is None


def test_a_day_is_written_one_way() -> None:
    assert fields.day("2026-12-05") == date(2026, 12, 5)
    for wrong in ("20261205", "2026-W49-6", "1999-12-05", "2200-01-01", "2026-02-30", "２026-12-05", ""):
        with pytest.raises(ValueError, match=r".*"):
            fields.day(wrong)


class Everything(Form):
    """A body of each kind of field."""

    id: Id
    name: Name
    label: Label = ""
    text: Text = ""
    reason: Reason = "因故"
    at: Instant
    on: Day


GOOD = {"id": "a-1", "name": "旗袍队", "at": "2026-12-01T09:00:00+08:00", "on": "2026-12-05"}


def test_a_good_body() -> None:
    body = Everything.model_validate(GOOD | {"text": "一\n二"})
    assert (body.at, body.on) == (datetime(2026, 12, 1, 1, tzinfo=UTC), date(2026, 12, 5))


@pytest.mark.parametrize(
    ("field", "bad", "said"),
    [
        ("id", "a b", "编号不能含空白、控制字符或斜杠"),
        ("id", "", ""),
        ("name", " ", "不能为空"),
        ("name", "a\nb", "不能含控制字符"),
        ("name", 5, ""),
        ("label", " ", "不能为空"),
        ("text", "\x00", "不能含控制字符"),
        ("text", "x" * 4_001, ""),
        ("reason", "", ""),
        ("at", 5, "RFC 3339"),
        ("at", "2026-12-01", "RFC 3339"),
        ("on", "05.12.2026", "日期格式"),
        ("on", None, "日期格式"),
        ("colour", "red", ""),
    ],
)
def test_a_field_that_does_not_fit_is_named_and_told_in_both_languages(field: str, bad: object, said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Everything.model_validate(GOOD | {field: bad})
    (error,) = caught.value.errors()
    assert error["loc"] == (field,)
    assert said in error["msg"]
