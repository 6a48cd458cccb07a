"""The words of the pages: names of states, roles, kinds and reasons in Chinese and English, and how times are told."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

from youai_contracts.events import Category

from youai_portal.domain import SHANGHAI, rate

__all__ = ["CATEGORIES", "SHANGHAI", "rate"]

CATEGORIES: tuple[str, ...] = get_args(Category)

_CATEGORIES_EN = {
    "理论宣讲": "Lectures",
    "教育服务": "Education",
    "文化文艺": "Culture and arts",
    "健康服务": "Health",
    "科技科普": "Science",
    "体育健身": "Sports",
    "法律援助": "Legal aid",
    "应急救护": "First aid",
    "心理服务": "Counselling",
    "环保": "Environment",
    "其他": "Other",
}
_ROLES = {
    "collector": ("需求采集员", "collector"),
    "venue-staff": ("阵地工作人员", "venue staff"),
    "provider-staff": ("服务单位工作人员", "provider staff"),
    "center": ("市志愿服务指导中心", "guidance center"),
    "platform": ("平台运维", "platform team"),
}
_LEVELS = {
    "center": ("中心", "center"),
    "institute": ("所", "institute"),
    "station": ("站", "station"),
    "point": ("点", "point"),
    "department": ("部门", "department"),
    "team": ("志愿服务队", "team"),
}
_DEMAND_STATES = {
    "open": ("待接单", "open"),
    "claimed": ("已接单", "claimed"),
    "scheduled": ("已排期", "scheduled"),
    "fulfilled": ("已完成", "fulfilled"),
    "withdrawn": ("已撤回", "withdrawn"),
    "expired": ("已过期", "expired"),
}
_BOOKING_STATES = {
    "received": ("已收到，待裁定", "received, not decided yet"),
    "entered": ("已进入抽签", "in the draw"),
    "confirmed": ("预约成功", "confirmed"),
    "promoted": ("递补成功", "promoted"),
    "waitlisted": ("候补中", "waiting"),
    "lapsed": ("保留已过期", "hold lapsed"),
    "displaced": ("名额已收回", "places taken back"),
    "rejected": ("未成功", "not given"),
    "released": ("已释放", "released"),
}
_BOOKING_REASONS = {
    "place-free": ("有空余名额", "places were free"),
    "entered": ("等待抽签", "waiting for the draw"),
    "drawn": ("中签", "drawn"),
    "drawn-behind": ("未中签，列入候补", "drawn behind, in the queue"),
    "full": ("名额不足", "too few places"),
    "shares": ("余下名额为其他镇保留", "places kept for other towns"),
    "kept": ("余下名额为排在前面的单位保留", "places kept for the first in the queue"),
    "place-freed": ("有名额空出", "places became free"),
    "accepted": ("已确认", "accepted"),
    "declined": ("已放弃", "declined"),
    "limit": ("达到点单上限或时间冲突", "a limit, or another session at that time"),
    "hold-lapsed": ("保留期内没有确认", "not accepted in time"),
    "hold-lapsed-again": ("第二次没有按时确认", "not accepted in time for the second time"),
    "not-accepted": ("截止前没有确认", "not accepted before booking closed"),
    "capacity-cut": ("主办单位减少名额", "the provider cut the places"),
    "capacity-cut-closed": ("截止后减少名额", "the places were cut after booking had closed"),
    "override": ("指导中心安排", "given by the guidance center"),
    "override-full": ("名额已满，未能安排", "full: the guidance center could give none"),
    "cancelled": ("已取消", "cancelled"),
    "cancelled-late": ("临近活动取消", "cancelled late"),
    "session-cancelled": ("场次取消", "the session was cancelled"),
    "offer-withdrawn": ("项目撤回", "the offer was withdrawn"),
    "closed": ("预约已截止", "booking has closed"),
    "early": ("预约尚未开放", "booking has not opened"),
    "party-too-large": ("超过本场总名额", "more than the session has"),
    "already-live": ("已有一份预约或候补", "there is one already"),
    "waitlist-full": ("名额和候补都已满", "places and queue are full"),
}
_MODES = {"arrival": ("先到先得", "first come, first served"), "draw": ("抽签", "by draw")}
_CLAIM_STATES = {
    "requested": ("已收到，待裁定", "received, not decided yet"),
    "confirmed": ("接单成功", "yours"),
    "rejected": ("未接到", "not yours"),
    "ended": ("已结束", "ended"),
}
_DEMAND_EVENTS = {
    "demand-posted": ("发布需求", "The demand was posted"),
    "demand-claim-requested": ("申请接单", "A claim was asked for"),
    "demand-claimed": ("接单成功", "The demand was claimed"),
    "demand-scheduled": ("确定时间地点", "Time and place were set"),
    "demand-claim-end-requested": ("申请退回", "The claim is to end"),
    "demand-handed-back": ("退回，重新开放", "It was handed back and is open again"),
    "demand-fulfilled": ("完成并评单", "It was done and rated"),
    "demand-withdrawn": ("撤回需求", "The demand was withdrawn"),
    "demand-expired": ("已过期，无人接单", "It expired and nobody had claimed it"),
}
_CLAIM_ENDS = {
    "handed-back": ("服务单位退回", "handed back by the provider"),
    "lapsed": ("超过期限未排期", "not scheduled in time"),
    "center": ("指导中心收回", "taken back by the guidance center"),
}
_RESOURCE_KINDS = {"person": ("人员", "person"), "place": ("场地", "place"), "thing": ("物资", "thing")}
_WEEKDAYS = ("一", "二", "三", "四", "五", "六", "日")
_WEEKDAYS_EN = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def _of(table: dict[str, tuple[str, str]], code: str, lang: str) -> str:
    zh, en = table.get(code, (code, code))
    return en if lang == "en" else zh


def category(name: str, lang: str) -> str:
    """A category's name."""
    return _CATEGORIES_EN.get(name, name) if lang == "en" else name


def role(code: str, lang: str) -> str:
    """A role's name."""
    return _of(_ROLES, code, lang)


def level(code: str, lang: str) -> str:
    """A level's name."""
    return _of(_LEVELS, code, lang)


def demand_state(code: str, lang: str) -> str:
    """A demand's state."""
    return _of(_DEMAND_STATES, code, lang)


def booking_state(code: str, lang: str) -> str:
    """A booking's state."""
    return _of(_BOOKING_STATES, code, lang)


def standing(booking: Mapping[str, Any], lang: str) -> str:
    """A booking's state; places that are held until it is answered are told as such."""
    if booking["status"] == "promoted" and booking.get("hold_until"):
        return "held for you" if lang == "en" else "已为您保留"
    return booking_state(booking["status"], lang)


def booking_reason(code: str, lang: str) -> str:
    """Why a booking is in its state, in a few words; the decision's own texts say it whole."""
    return _of(_BOOKING_REASONS, code, lang)


def mode(code: str, lang: str) -> str:
    """How an offer's places are given."""
    return _of(_MODES, code, lang)


def claim_state(code: str, lang: str) -> str:
    """A claim's state."""
    return _of(_CLAIM_STATES, code, lang)


def demand_event(code: str, lang: str) -> str:
    """What a line of a demand's timeline tells."""
    return _of(_DEMAND_EVENTS, code, lang)


def claim_end(code: str, lang: str) -> str:
    """Why a claim ended."""
    return _of(_CLAIM_ENDS, code, lang)


def resource_kind(code: str, lang: str) -> str:
    """A resource's kind."""
    return _of(_RESOURCE_KINDS, code, lang)


def window_days(days: list[str], lang: str) -> str:
    """The days of a recurring window in words."""
    names = []
    for code in days:
        if code == "workday":
            names.append("working days" if lang == "en" else "工作日")
        elif code == "holiday":
            names.append("weekends and holidays" if lang == "en" else "周末和节假日")
        else:
            names.append(_WEEKDAYS_EN[int(code) - 1] if lang == "en" else f"周{_WEEKDAYS[int(code) - 1]}")
    return (", " if lang == "en" else "、").join(names)


def local(at: datetime | str) -> datetime:
    """A time (aware, or RFC 3339) by Shanghai's clock."""
    if isinstance(at, str):
        at = datetime.fromisoformat(at)
    return at.astimezone(SHANGHAI)


def day(at: datetime | str, lang: str = "zh") -> str:
    """A date with its weekday."""
    there = local(at)
    if lang == "en":
        return f"{_WEEKDAYS_EN[there.weekday()]} {there:%Y-%m-%d}"
    return f"{there.month}月{there.day}日 周{_WEEKDAYS[there.weekday()]}"


def clock(at: datetime | str) -> str:
    """Hours and minutes."""
    return f"{local(at):%H:%M}"


def moment(at: datetime | str, lang: str = "zh") -> str:
    """A date and a time of day."""
    return f"{day(at, lang)} {clock(at)}"


def short_moment(at: datetime | str, now: datetime | None = None) -> str:
    """A date and a time of day, short; with its year where that is not the one nearest to now."""
    there = local(at)
    far = abs(there - (now or datetime.now(SHANGHAI))) > timedelta(days=300)
    return f"{there:%Y-%m-%d %H:%M}" if far else f"{there:%m-%d %H:%M}"


def date_short(at: datetime | str) -> str:
    """A date, short."""
    return f"{local(at):%m-%d}"


def span(starts: datetime | str, ends: datetime | str, lang: str = "zh") -> str:
    """From when to when."""
    if local(starts).date() == local(ends).date():
        return f"{moment(starts, lang)}–{clock(ends)}"
    return f"{moment(starts, lang)} – {moment(ends, lang)}"


def iso(at: datetime | str) -> str:
    """A time for machines."""
    return local(at).isoformat(timespec="seconds")


def remaining(ms: int, lang: str) -> str:
    """How long it still is, in two units at most; the pages' script says it alike."""
    seconds = max(0, -(-ms // 1000))
    days, hours, minutes = seconds // 86_400, seconds // 3_600 % 24, seconds // 60 % 60
    english = lang == "en"
    if days:
        return f"{days} d {hours} h" if english else f"{days}天{hours}小时"
    if hours:
        return f"{hours} h {minutes:02} min" if english else f"{hours}小时{minutes:02}分"
    if minutes:
        return f"{minutes} min {seconds % 60:02} s" if english else f"{minutes}分{seconds % 60:02}秒"
    return f"{seconds} s" if english else f"{seconds}秒"


def epoch_ms(at: datetime | str) -> int:
    """A time as milliseconds since 1970, for the pages' script."""
    return round(local(at).timestamp() * 1000)


def number(value: int) -> str:
    """A number with its thousands apart."""
    return f"{value:,}"


def parse_local(text: str) -> datetime | None:
    """A form's local date and time (`2026-12-01T09:00`) as an aware one; None if it is none."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=SHANGHAI)
    return at.astimezone(UTC) if 2000 <= at.year < 2200 else None


def form_value(at: datetime) -> str:
    """A time as a form's field shows it."""
    return f"{local(at):%Y-%m-%dT%H:%M}"


def days_ahead(now: datetime, days: int, hour: int) -> str:
    """A form's value for that hour, so many days from now."""
    there = now.astimezone(SHANGHAI) + timedelta(days=days)
    return f"{there.replace(hour=hour, minute=0):%Y-%m-%dT%H:%M}"


_FIELDS = {
    "category": ("类别", "Category"),
    "title": ("题目", "Title"),
    "description": ("说明", "Description"),
    "residents": ("受益居民人数", "Residents"),
    "wanted_from": ("希望时间（起）", "Wanted from"),
    "wanted_until": ("希望时间（止）", "Wanted until"),
    "places_wanted": ("需要几支队伍", "Teams wanted"),
    "venue_id": ("发布单位", "Publishing unit"),
    "party_size": ("人数", "Places"),
    "reason": ("原因", "Reason"),
    "scheduled_at": ("时间", "Time"),
    "place": ("地点", "Place"),
    "rating": ("评分", "Rating"),
    "residents_served": ("服务人数", "People served"),
    "message": ("留言", "Message"),
    "capacity": ("名额总数", "Places in all"),
    "opens_at": ("开放时间", "Opens"),
    "closes_at": ("截止时间", "Closes"),
    "starts_at": ("开始时间", "Starts"),
    "ends_at": ("结束时间", "Ends"),
    "venue_name": ("地点", "Where"),
    "explanation": ("理由", "Reason"),
    "wanted_from_": ("希望时间", "Wanted from"),
    "resident_name": ("居民称呼", "Resident"),
    "resident.name": ("居民称呼", "Resident"),
    "resident.phone": ("联系电话", "Phone"),
    "resident.address": ("住址", "Address"),
}


def field(code: str, lang: str) -> str:
    """A form's field as people know it."""
    return _of(_FIELDS, code, lang)


def date_text(text: str, lang: str) -> str:
    """A date (`2026-12-05`) with its weekday."""
    return day(datetime.fromisoformat(text).replace(tzinfo=SHANGHAI), lang)
