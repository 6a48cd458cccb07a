"""The door's refusals as a page tells them: local times, and what to do there."""

import pytest
from youai_portal.clients import Refused
from youai_portal.refusals import plain


def refused(code: str, **extra: object) -> Refused:
    return Refused(409, code, "as matching said it", retry_after="7", extra=extra)


def test_an_overlap_is_told_in_local_time_and_names_the_box_to_tick() -> None:
    one = refused("overlap", starts_at="2026-12-05T01:00:00.000Z", ends_at="2026-12-05T03:00:00.000Z")
    assert "12月5日 周六 09:00–11:00" in plain(one, "zh").detail
    assert "允许与已有场次时间重叠" in plain(one, "zh").detail
    assert "Sat 2026-12-05 09:00–11:00" in plain(one, "en").detail


def test_early_says_when_by_the_citys_clock() -> None:
    assert "09:00:00 开始点单" in plain(refused("early", opens_at="2026-12-01T01:00:00Z"), "zh").detail


def test_too_often_says_how_long_to_wait_and_that_nothing_was_done() -> None:
    told = plain(refused("too-many"), "zh").detail
    assert "请过7秒" in told
    assert "没有登记" in told


def test_a_months_limit_has_its_numbers() -> None:
    told = plain(refused("limit-month", month="2026-12", booked=40, most=40), "zh").detail
    assert "每月最多点40场" in told
    assert "2026-12已有40场" in told


@pytest.mark.parametrize("code", ["slot-closed", "limit-offer", "overlap", "early", "anything"])
def test_else_the_services_own_words_stay(code: str) -> None:
    one = plain(refused(code), "zh")
    assert (one.detail, one.code, one.status) == ("as matching said it", code, 409)
