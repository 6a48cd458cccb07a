"""An exported record: its JSON as it was, and base64 where it was none."""

import json
from base64 import b64encode
from collections.abc import Sequence
from typing import Any

import pytest
from youai_stack.export import json_on_one_line, line


def exported(
    value: bytes | None, key: bytes | None = b"k", headers: Sequence[tuple[str, bytes | None]] = ()
) -> dict[str, Any]:
    text = line(3, 7, 1_795_552_678_318, key, headers, value)
    assert b"\n" not in text
    record: dict[str, Any] = json.loads(text)
    assert (record["partition"], record["offset"], record["timestamp"]) == (3, 7, 1_795_552_678_318)
    return record


def test_json_is_carried_byte_for_byte() -> None:
    value = '{"b": 1, "a": 12345678901234567890123, "名": "额\\u0000"}'.encode()
    assert value in line(0, 0, 0, None, (), value)
    assert exported(value)["data"] == json.loads(value)


def test_json_over_several_lines_is_put_on_one() -> None:
    assert exported(b'{\n "a": [1,\r\n 2]\n}')["data"] == {"a": [1, 2]}


@pytest.mark.parametrize(
    "value",
    [b"no json", b"", b"\xff\xfe", b"{", b'{"a": NaN}', b'{"a":1} x', b"[" * 100_000],
    ids=lambda v: repr(v[:9]),
)
def test_what_is_no_json_is_base64_and_data_is_null(value: bytes) -> None:
    record = exported(value)
    assert record["data"] is None
    assert record["value_base64"] == b64encode(value).decode()


def test_no_value_is_null_and_no_base64() -> None:
    record = exported(None)
    assert record["data"] is None
    assert "value_base64" not in record


def test_a_json_null_is_null() -> None:
    assert "value_base64" not in exported(b"null")


def test_keys() -> None:
    assert exported(b"1", key=None)["key"] is None
    assert exported(b"1", key="村".encode())["key"] == "村"
    record = exported(b"1", key=b"\xff")
    assert (record["key"], record["key_base64"]) == (None, "/w==")


def test_headers_are_strings_and_null_where_they_are_no_text() -> None:
    headers = [("ce_id", b"3-7-0"), ("x", None), ("y", b"\xff")]
    assert exported(b"1", headers=headers)["headers"] == {"ce_id": "3-7-0", "x": "", "y": None}


def test_one_line() -> None:
    assert json_on_one_line(b" 1") == b" 1"
    assert json_on_one_line(None) is None
