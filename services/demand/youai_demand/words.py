"""What is said of a demand in plain words, in both languages: its timeline, and why a command was refused. Pure."""

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from youai_demand.domain import Refused

_CITY = timezone(timedelta(hours=8))

STATES_ZH = {
    "open": "待接单",
    "claimed": "已接单",
    "scheduled": "已安排",
    "fulfilled": "已完成",
    "withdrawn": "已撤回",
    "expired": "已过期",
}
COMMANDS_ZH = {"claim": "接单", "schedule": "安排时间", "hand-back": "退单", "fulfil": "评单", "withdraw": "撤回"}
_ENDS = {
    "handed-back": ("{provider_name}退单，需求重新开放", "{provider_name} handed the demand back; it is open again"),
    "lapsed": ("{provider_name}逾期未安排，需求重新开放", "{provider_name} did not schedule in time; it is open again"),
    "center": ("指导中心收回了{provider_name}的接单", "The guidance center took the claim of {provider_name} back"),
}
_EVENTS = {
    "demand-posted": ("{venue_name}发布需求：{title}", "{venue_name} posted the demand: {title}"),
    "demand-claim-requested": ("{provider_name}请求接单", "{provider_name} asked for the demand"),
    "demand-claimed": ("{provider_name}接单成功", "{provider_name} has the demand"),
    "demand-scheduled": ("{provider_name}安排了时间：{when}{where}", "{provider_name} scheduled it: {when}{where}"),
    "demand-claim-end-requested": ("承接单位申请退单", "The provider asked to hand the demand back"),
    "demand-fulfilled": (
        "{provider_name}的服务已完成，服务{residents_served}人，评分{rating}",
        "{provider_name} has served {residents_served} residents; rated {rating} of 5",
    ),
    "demand-withdrawn": ("发布单位撤回了需求", "The venue withdrew the demand"),
    "demand-expired": ("到期无人接单，需求过期", "Its time passed and nobody had claimed it"),
}


def of_event(type_: str, data: Mapping[str, Any]) -> tuple[str, str]:
    """An event in Chinese and English. What people wrote beyond a title (notes, reasons, comments) is not in it."""
    zh, en = _ENDS[data["reason"]] if type_ == "demand-handed-back" else _EVENTS.get(type_, (type_, type_))
    place = data.get("place") or ""
    known = {
        name: str(data.get(name, "")) for name in ("venue_name", "title", "provider_name", "residents_served", "rating")
    }
    when = _day(data["scheduled_at"]) if "scheduled_at" in data else ""
    return (
        zh.format_map({**known, "when": when, "where": f"，{place}" if place else ""}),
        en.format_map({**known, "when": when, "where": f", {place}" if place else ""}),
    )


def of_refusal(refused: Refused) -> tuple[str, str]:
    """Why a command was refused, who has the demand, and what can be done now."""
    zh = f"需求目前{STATES_ZH[refused.state]}：{refused.zh}。"
    en = f"The demand is {refused.state}: {refused.en}."
    names = [name for _, name in refused.holders]
    if names:
        zh += f"承接单位：{'、'.join(names)}。"
        en += f" It is with {', '.join(names)}."
    if refused.can:
        zh += f"现在可以：{'、'.join(COMMANDS_ZH[name] for name in refused.can)}。"
        en += f" Possible now: {', '.join(refused.can)}."
    return zh, en


def _day(at: str) -> str:
    """A time of an event (RFC 3339 UTC) as the city's clocks show it."""
    return datetime.fromisoformat(at).astimezone(_CITY).strftime("%Y-%m-%d %H:%M")
