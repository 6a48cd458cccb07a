"""The columns of the file of offers: what each is called, what belongs into it, an example. Pure."""

from dataclasses import dataclass
from typing import Literal

MODES = {"arrival": ("先到先得", "first come, first served"), "draw": ("抽签", "draw")}
"""How places are given, as a file may say it: the code itself, or either of these."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column: `of` what; `must`: it may not be empty in an offer's first row, or in any of a session's."""

    name: str
    of: Literal["offer", "session"]
    must: bool
    zh: str
    en: str
    says_zh: str
    says_en: str
    example_zh: str
    example_en: str = ""

    def label(self, english: bool) -> str:
        """What people call it."""
        return self.en if english else self.zh


COLUMNS = (
    Column(
        "offer_key",
        "offer",
        True,
        "项目编号",
        "Offer number",
        "自己编的号；同一项目的各场写同一个号。再次导入时靠它认出已导入的项目",
        "your own number, the same for all sessions of an offer; an import knows again by it what was imported",
        "2026-12-烘焙",
    ),
    Column(
        "title",
        "offer",
        True,
        "项目名称",
        "Title",
        "项目第一行必填，其余各场可留空",
        "due in an offer's first row; may be empty in its others",
        "亲子烘焙课",
    ),
    Column(
        "category",
        "offer",
        True,
        "类别",
        "Category",
        "十一个类别之一，同上",
        "one of the eleven categories in Chinese, as above",
        "教育服务",
    ),
    Column(
        "mode",
        "offer",
        False,
        "方式",
        "How places are given",
        "先到先得，或抽签；留空为先到先得",
        "first come, first served (also if empty), or draw",
        "先到先得",
        "draw",
    ),
    Column("description", "offer", False, "说明", "Description", "可不填", "may be empty", "每组家庭一份原料"),
    Column("audience", "offer", False, "适合人群", "Audience", "可不填", "may be empty", "6到12岁儿童和家长"),
    Column(
        "towns",
        "offer",
        False,
        "面向的镇",
        "Towns",
        "可预约的镇（街道），用分号隔开；留空为全市",
        "towns that may book, separated by semicolons; empty: every town",
        "杨舍镇;大新镇",
    ),
    Column(
        "provider_id",
        "offer",
        False,
        "提供单位编号",
        "Provider id",
        "留空为本单位；替下级单位导入时填其编号",
        "empty: your own organization; else one below it",
        "",
    ),
    Column(
        "session_key",
        "session",
        True,
        "场次编号",
        "Session number",
        "自己编的号，在一个项目里不重复",
        "your own number, once in an offer",
        "1",
    ),
    Column("capacity", "session", True, "名额", "Places", "1 到 100000", "1 to 100,000", "24"),
    Column(
        "opens_at",
        "session",
        True,
        "预约开放",
        "Booking opens",
        "当地时间，如 2026-12-01 09:00",
        "local time, as 2026-12-01 09:00",
        "2026-12-01 09:00",
    ),
    Column(
        "closes_at",
        "session",
        True,
        "预约截止",
        "Booking closes",
        "不晚于活动开始",
        "not later than the start",
        "2026-12-11 18:00",
    ),
    Column("starts_at", "session", True, "活动开始", "Starts", "同上", "as above", "2026-12-12 09:30"),
    Column("ends_at", "session", True, "活动结束", "Ends", "同上", "as above", "2026-12-12 11:30"),
    Column("venue_name", "session", True, "地点", "Where", "活动地点", "where it is held", "杨舍镇新时代文明实践所"),
    Column(
        "town_shares",
        "session",
        False,
        "为镇保留",
        "Kept for towns",
        "镇:名额，用分号隔开，合计不超过名额",
        "town:places, separated by semicolons, together within the places",
        "大新镇:4;乐余镇:2",
    ),
    Column(
        "waitlist",
        "session",
        False,
        "候补上限",
        "Most waiting",
        "最多多少单位候补；留空不限，0 为不设候补",
        "how many may wait; empty: no bound; 0: nobody",
        "20",
    ),
)
BY_NAME = {column.name: column for column in COLUMNS}


def named(header: str) -> str | None:
    """The column that a header's cell names, by its code or either name; None if it names none."""
    wanted = header.strip().casefold()
    for column in COLUMNS:
        if wanted in (column.name, column.zh, column.en.casefold()):
            return column.name
    return None
