"""Cookies and forms that cannot be forged, ways back that do not lead astray, and words."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from youai_portal import templating, web, words, workbook
from youai_portal.store.people import escape, patterns

SEAL = web.Seal(b"k" * 48)


def test_a_seal_opens_what_it_signed_and_nothing_else() -> None:
    signed = SEAL.sign("seat", "abc.def")
    assert SEAL.open("seat", signed) == "abc.def"
    assert SEAL.open("way", signed) is None
    assert web.Seal(b"other").open("seat", signed) is None
    for broken in ("", ".", "abc", "abc.", signed[:-1], "x" + signed, signed.replace("abc", "abd"), "中." + signed):
        assert SEAL.open("seat", broken) is None


def test_a_form_token_is_of_one_seat_and_no_cookie() -> None:
    assert SEAL.form_token("one") != SEAL.form_token("two")
    assert SEAL.form_token("one") not in SEAL.sign("seat", "one")


@pytest.mark.parametrize(
    "given_path", ["//evil.example", "/\\evil.example", "https://evil.example/", "javascript:alert(1)", "", "demands",
                   "/a\r\nSet-Cookie: x", "/" + "a" * 600, "\\\\evil", "/x\\y"],
)  # fmt: skip
def test_a_way_back_stays_here(given_path: str) -> None:
    assert web.back_path(given_path) == "/"


def test_a_way_back_of_ours_is_taken() -> None:
    assert web.back_path("/slots/a%2Fb?venue=x") == "/slots/a%2Fb?venue=x"


def test_an_id_is_one_part_of_a_path() -> None:
    assert web.segment("a/b?c#d e") == "a%2Fb%3Fc%23d%20e"


def test_keys_are_new_each_time_and_fit_a_header() -> None:
    keys = {web.new_key() for _ in range(100)}
    assert len(keys) == 100
    assert all(key.isascii() and 1 <= len(key) <= 200 for key in keys)


def test_what_is_not_in_a_form_is_empty() -> None:
    assert web.Fields({"a": "1"})["b"] == ""


@given(st.text())
def test_search_patterns_are_literal(text: str) -> None:
    for pattern in patterns(text):
        inner = pattern[1:-1]
        assert "\x00" not in inner
        assert inner.replace("\\\\", "").replace("\\%", "").replace("\\_", "").count("%") == 0


def test_escape() -> None:
    assert escape("50%_\\") == "50\\%\\_\\\\"


def test_times_are_told_by_shanghais_clock() -> None:
    at = datetime(2026, 12, 4, 23, 30, tzinfo=UTC)
    assert words.moment(at) == "12月5日 周六 07:30"
    assert words.moment("2026-12-04T23:30:00.000Z", "en") == "Sat 2026-12-05 07:30"
    assert words.span(at, at.replace(hour=23, minute=59)) == "12月5日 周六 07:30–07:59"
    assert words.parse_local("2026-12-05T07:30") == at
    assert words.form_value(at) == "2026-12-05T07:30"
    for wrong in ("", "tomorrow", "2026-13-01T00:00", "0001-01-01T00:00", "9999-01-01T00:00"):
        assert words.parse_local(wrong) is None


def test_every_state_has_words_in_both_languages() -> None:
    for code in ("open", "claimed", "scheduled", "fulfilled", "withdrawn", "expired"):
        assert words.demand_state(code, "zh") != code != words.demand_state(code, "en") or code in words.demand_state(
            code, "en"
        )
    assert words.role("a-role-of-tomorrow", "zh") == "a-role-of-tomorrow"
    assert all(words.category(name, "en").isascii() for name in words.CATEGORIES)


def test_a_workbook_holds_the_numbers_and_no_formula() -> None:
    from openpyxl import load_workbook  # type: ignore[import-untyped]

    row = dict.fromkeys((name for name, _, _ in workbook._BALANCE), 7) | {"name": "=cmd|x", "taken": 3, "places": 4}
    provider = {"provider_name": "+evil", "offers": 1, "sessions": 2, "places": 4, "taken": 3}
    found = {"categories": [row], "towns": [row], "months": [], "providers": [provider]}
    import io

    book = load_workbook(io.BytesIO(workbook.make(found, "zh", datetime(2026, 11, 24, tzinfo=UTC))))
    assert book.sheetnames == ["按类别", "按镇（街道）", "按月", "按服务单位"]
    first = book["按类别"]
    assert (first["A2"].value, first["A2"].data_type) == ("'=cmd|x", "s")
    assert first.cell(2, first.max_column).value == 0.75
    assert book["按服务单位"]["A2"].data_type == "s"


# The design: what is read has a contrast of 4.5:1 at least, in both versions

CSS = (Path(web.__file__).parent / "static" / "youai.css").read_text()


def colours(block: str) -> dict[str, str]:
    found = {}
    for part in block.split(";"):
        name, _, value = part.partition(":")
        if name.strip().startswith("--") and value.strip().startswith("#"):
            found[name.strip()[2:]] = value.strip()
    return found


def luminance(colour: str) -> float:
    shares = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (s / 12.92 if s <= 0.03928 else ((s + 0.055) / 1.055) ** 2.4 for s in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, two: str) -> float:
    light, dark = sorted((luminance(one), luminance(two)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


NORMAL = colours(CSS.split(":root {")[1].split("}")[0])
ELDER = NORMAL | colours(CSS.split("html.elder {")[1].split("}")[0])


@pytest.mark.parametrize("palette", [NORMAL, ELDER], ids=["standard", "elders'"])
def test_contrast(palette: dict[str, str]) -> None:
    on = {
        "paper": ("ink", "soft", "deep", "seal"),
        "card": ("ink", "soft", "deep", "seal", "gold", "leaf"),
        "tint": ("ink", "deep", "deep-2"),
        "seal-tint": ("ink", "seal"),
        "gold-tint": ("ink", "gold"),
        "leaf-tint": ("ink", "leaf"),
    }
    weak = {
        (ground, text): round(contrast(palette[ground], palette[text]), 2)
        for ground, texts in on.items()
        for text in texts
        if contrast(palette[ground], palette[text]) < 4.5
    }
    assert weak == {}
    for ground in ("deep", "deep-2"):
        assert contrast(palette[ground], "#ffffff") >= 4.5


def test_elders_version_is_large() -> None:
    elder = CSS.split("html.elder {")[1].split("}")[0]
    assert "font-size: 24px" in elder  # 18 pt
    assert "--target: 60px" in elder


def test_every_template_compiles_and_has_no_inline_script() -> None:
    environment = templating.environment()
    for name in environment.list_templates():
        environment.get_template(name)
        source = (Path(web.__file__).parent / "templates" / name).read_text()
        for start in source.split("<script")[1:]:
            assert start.lstrip().startswith(("src=", 'type="application/json"')), name
        assert " onclick" not in source
        assert "hx-on" not in source


def test_every_form_that_posts_carries_its_token() -> None:
    for path in (Path(web.__file__).parent / "templates").rglob("*.html"):
        source = path.read_text()
        for form in source.split("<form")[1:]:
            head, body = form.split(">", 1)[0], form.split("</form>")[0]
            if 'method="post"' in head:
                assert "m.key(" in body or 'name="csrf"' in body, path.name
