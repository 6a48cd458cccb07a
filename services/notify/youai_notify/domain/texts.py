"""What notifications say, in both languages: one entry a kind, told apart where two recipients read it differently."""

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

MOST_TITLE, MOST_BODY = 200, 4_000
"""Characters, as the contract allows."""

LOCAL = timezone(timedelta(hours=8))
"""The city's time: China has one zone and no summer time."""


@dataclass(frozen=True, slots=True)
class Words:
    """A notification's title and body in both languages; as an entry of TEXTS with `{names}` to be filled in."""

    title_zh: str
    title_en: str
    body_zh: str
    body_en: str


TEXTS: dict[str, Words] = {
    "demand-fits": Words(
        "新需求：{title}",
        "A demand that fits you: {title}",
        "{venue}{town_zh}发布了{category}需求“{title}”，约{residents}位群众，希望在{from_zh}至{until_zh}之间安排，"
        "需要{places}家单位接单。{description}",
        "{venue}{town_en} posted a demand ({category}): “{title}”, for about {residents} residents, wanted between "
        "{from_en} and {until_en}, by {places} provider(s). {description}",
    ),
    "demand-claimed": Words(
        "已接单：{title}",
        "Claimed: {title}",
        "{provider}接下了贵单位的需求“{title}”（已接{taken}家，共需{capacity}家），时间地点定下后会再通知。",
        "{provider} has claimed your demand “{title}” ({taken} of {capacity}). You will be told when it is scheduled.",
    ),
    "claim-confirmed": Words(
        "接单成功：{title}",
        "The demand is yours: {title}",
        "{venue}的需求“{title}”由贵单位承接。{reason_zh}请尽快安排时间地点。",
        "{venue}'s demand “{title}” is yours. {reason_en} Please schedule it soon.",
    ),
    "claim-rejected": Words(
        "没有接到：{title}",
        "Not yours: {title}",
        "{venue}的需求“{title}”没有接到。{reason_zh}",
        "{venue}'s demand “{title}” did not go to you. {reason_en}",
    ),
    "claim-ended": Words(
        "接单已结束：{title}",
        "Your claim has ended: {title}",
        "贵单位对{venue}的需求“{title}”的接单已结束。{reason_zh}",
        "Your claim of {venue}'s demand “{title}” has ended. {reason_en}",
    ),
    "claim-ended of the venue": Words(
        "接单已结束：{title}",
        "A claim has ended: {title}",
        "{provider}对贵单位的需求“{title}”的接单已结束。{reason_zh}",
        "{provider}'s claim of your demand “{title}” has ended. {reason_en}",
    ),
    "demand-scheduled": Words(
        "已排期：{title}",
        "Scheduled: {title}",
        "{provider}将于{at_zh}{place_zh}开展“{title}”。{note}",
        "{provider} has scheduled “{title}” for {at_en}{place_en}. {note}",
    ),
    "demand-handed-back": Words(
        "需求重新开放：{title}",
        "Open again: {title}",
        "{provider}退回了贵单位的需求“{title}”，该需求已重新开放接单。{note}",
        "{provider} no longer has your demand “{title}”; it is open again. {note}",
    ),
    "demand-fulfilled": Words(
        "已评单：{title}",
        "Fulfilled and rated: {title}",
        "{venue}确认“{title}”已完成，服务{residents}人，评分{rating}分（满分5分）。{note}",
        "{venue} confirms that “{title}” was done for {residents} residents, and rates it {rating} of 5. {note}",
    ),
    "booking-entered": Words(
        "入签通知：{title}",
        "You are in the draw: {title}",
        "“{title}”，{at_zh}，{place}，{party}个名额。{reason_zh}",
        "“{title}”, {at_en}, {place}, {party} place(s). {reason_en}",
    ),
    "booking-confirmed": Words(
        "预约成功：{title}",
        "Booked: {title}",
        "“{title}”，{at_zh}，{place}，{party}个名额。{reason_zh}",
        "“{title}”, {at_en}, {place}, {party} place(s). {reason_en}",
    ),
    "booking-waitlisted": Words(
        "候补第{queue}位：{title}",
        "Number {queue} in the queue: {title}",
        "“{title}”，{at_zh}，{place}，{party}个名额。{reason_zh}",
        "“{title}”, {at_en}, {place}, {party} place(s). {reason_en}",
    ),
    "booking-rejected": Words(
        "没有约到：{title}",
        "Not booked: {title}",
        "“{title}”，{at_zh}，{place}，{party}个名额。{reason_zh}",
        "“{title}”, {at_en}, {place}, {party} place(s). {reason_en}",
    ),
    "booking-promoted": Words(
        "递补成功：{title}",
        "Promoted from the queue: {title}",
        "“{title}”，{at_zh}，{place}，{party}个名额。{reason_zh}",
        "“{title}”, {at_en}, {place}, {party} place(s). {reason_en}",
    ),
    "booking-promoted held": Words(
        "名额已为您保留，请确认：{title}",
        "Places are held for you, please accept: {title}",
        "“{title}”，{at_zh}，{place}，{party}个名额。{reason_zh}期限：{until_zh}，办理：/bookings/{request}",
        "“{title}”, {at_en}, {place}, {party} place(s). {reason_en} Until {until_en}, here: /bookings/{request}",
    ),
    "booking-lapsed": Words(
        "保留过期，排到候补第{queue}位：{title}",
        "The hold has lapsed, number {queue} in the queue: {title}",
        "“{title}”，{at_zh}，{place}，{party}个名额。{reason_zh}",
        "“{title}”, {at_en}, {place}, {party} place(s). {reason_en}",
    ),
    "booking-lapsed out": Words(
        "保留再次过期，已退出候补：{title}",
        "The hold has lapsed again, out of the queue: {title}",
        "“{title}”，{at_zh}，{place}，{party}个名额。{reason_zh}",
        "“{title}”, {at_en}, {place}, {party} place(s). {reason_en}",
    ),
    "booking-displaced": Words(
        "名额减少，您改为候补第{queue}位：{title}",
        "Fewer places, you are number {queue} in the queue: {title}",
        "“{title}”，{at_zh}，{place}，{party}个名额。{reason_zh}该项目的其他场次列在项目页{offer_zh}，可另行点单。",
        "“{title}”, {at_en}, {place}, {party} place(s). {reason_en} The offer's other "
        "sessions are listed on its page{offer_en}.",
    ),
    "booking-displaced out": Words(
        "名额减少，您的名额已收回：{title}",
        "Fewer places, yours are gone: {title}",
        "“{title}”，{at_zh}，{place}，{party}个名额。{reason_zh}该项目的其他场次列在项目页{offer_zh}，可另行点单。",
        "“{title}”, {at_en}, {place}, {party} place(s). {reason_en} The offer's other "
        "sessions are listed on its page{offer_en}.",
    ),
    "booking-released": Words(
        "预约已结束：{title}",
        "Booking released: {title}",
        "“{title}”，{at_zh}，{place}，{party}个名额。{reason_zh}",
        "“{title}”, {at_en}, {place}, {party} place(s). {reason_en}",
    ),
    "session-revised": Words(
        "场次有变：{title}",
        "A session has changed: {title}",
        "“{title}”有变：{changes_zh}。{note_zh}",
        "“{title}” has changed: {changes_en}. {note_en}",
    ),
    "resource-asked": Words(
        "有人申请：{title}",
        "Asked for: {title}",
        "{asker}想请贵单位的“{title}”{at_zh}。{note}",
        "{asker} asks for your “{title}”{at_en}. {note}",
    ),
    "resource-answered yes": Words(
        "对方已同意：{title}",
        "Yes: {title}",
        "贵单位申请的“{title}”，对方已同意。{note}",
        "You asked for “{title}”; the answer is yes. {note}",
    ),
    "resource-answered no": Words(
        "对方未同意：{title}",
        "No: {title}",
        "贵单位申请的“{title}”，对方未同意。{note}",
        "You asked for “{title}”; the answer is no. {note}",
    ),
}


def say(entry: str, values: dict[str, object]) -> Words:
    """The entry with its names filled in, each text cut to what the contract allows. KeyError: a name is missing."""
    words = TEXTS[entry]
    return Words(
        _cut(words.title_zh.format(**values), MOST_TITLE),
        _cut(words.title_en.format(**values), MOST_TITLE),
        _cut(words.body_zh.format(**values).strip(), MOST_BODY),
        _cut(words.body_en.format(**values).strip(), MOST_BODY),
    )


def when_zh(at: datetime) -> str:
    """The city's time, e.g. 2026年12月5日 09:00."""
    local = at.astimezone(LOCAL)
    return f"{local.year}年{local.month}月{local.day}日 {local:%H:%M}"


def when_en(at: datetime) -> str:
    """The city's time, e.g. 2026-12-05 09:00."""
    return f"{at.astimezone(LOCAL):%Y-%m-%d %H:%M}"


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
