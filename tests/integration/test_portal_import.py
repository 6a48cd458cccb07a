"""The page that imports offers, as a browser without scripts sends it: faults row by row, then once and for all."""

import re

import httpx

from tests.integration.test_portal import Browser, SignedIn, signed_in
from tests.support.market import Market, new_id
from tests.support.stack import Stack
from tests.support.waiting import eventually

__all__ = ["signed_in"]

PATH = "/offers/import"
HEAD = "项目编号,项目名称,类别,方式,场次编号,名额,预约开放,预约截止,活动开始,活动结束,地点,为镇保留,候补上限"


def table(key: str, title: str, *places: str) -> bytes:
    times = "2098-05-01 09:00,2098-05-02 09:00,2098-05-03 09:00,2098-05-03 11:00"
    rows = [f"{key},{title},文化文艺,抽签,{n},{one},{times},村礼堂,大新镇:2,10" for n, one in enumerate(places)]
    return "\n".join([HEAD, *rows]).encode("utf-8-sig")


async def send(browser: Browser, content: bytes, name: str = "offers.csv") -> httpx.Response:
    page = await browser.page(PATH)
    found = re.search(r'name="csrf" value="([0-9a-f]+)"', page)
    assert found
    files = {"file": (name, content, "application/octet-stream")} if content else None
    return await browser.http.post(PATH, data={"csrf": found[1]}, files=files)


async def test_a_department_imports_a_month(stack: Stack, market: Market, signed_in: SignedIn) -> None:
    staff = await signed_in(market.department_id, "provider-staff")
    title, key = f"剪纸 {new_id('月')}", new_id("key")
    assert PATH in await staff.page("/offers")
    for kind, begins in (("xlsx", b"PK"), ("csv", "\ufeff项目编号".encode())):
        template = await staff.get(f"{PATH}/template?format={kind}")
        assert template.content.startswith(begins)
        assert f"youai-offers-zh.{kind}" in template.headers["content-disposition"]
    refused = await send(staff, table(key, title, "8", "八", "9"))
    assert refused.status_code == 422
    assert "什么都没有导入" in refused.text
    assert re.search(r'<td class="n num">3</td><td>名额</td><td>须为 1 到 100000 的整数</td>', refused.text)
    assert await stack.ask("catalog", "SELECT 1 FROM offer WHERE title = $1", title) == []
    done = await send(staff, table(key, title, "8", "7", "9"))
    assert done.url.query == b"offers=1&sessions=3&unchanged=0"
    assert re.search(r"新项目 1个，场次 3场", done.text)
    again = await send(staff, table(key, title, "8", "7", "9"))
    assert again.url.query == b"offers=0&sessions=0&unchanged=3"
    assert "没有新的场次" in again.text
    await eventually(
        lambda: stack.ask("portal", "SELECT 1 FROM offer WHERE title = $1", title), 30, "the offer is read"
    )
    english = await staff.get(f"{PATH}?lang=en")
    assert "Import offers" in english.text


async def test_what_is_no_table_is_told_in_words(market: Market, signed_in: SignedIn) -> None:
    staff = await signed_in(market.department_id, "provider-staff")
    for content, told in (
        (b"", "请先选择文件"),
        ("项目编号\n剪纸".encode("gb18030"), "CSV UTF-8"),
        (b"\xd0\xcf\x11\xe0 an old workbook", "不是 Excel 工作簿（.xlsx）"),
        (b"PK\x03\x04 broken", "不是 Excel 工作簿"),
    ):
        answer = await send(staff, content)
        assert answer.status_code == 422, told
        assert told in answer.text
    large = await send(staff, b"x" * (2 * 1024 * 1024 + 1))
    assert large.status_code == 413
    unsigned = await staff.http.post(PATH, files={"file": ("x.csv", table("k", "t", "1"), "text/csv")})
    assert unsigned.status_code == 403
