"""The door's refusals in the words of a page: local times, and what to do on the page that is open. Pure."""

from dataclasses import replace

from youai_portal import words
from youai_portal.clients import Refused


def plain(refused: Refused, lang: str) -> Refused:
    """The refusal with words for the person at the form; those that matching said well enough stay."""
    zh, en = _words(refused)
    told = (en if lang == "en" else zh) or refused.detail
    return replace(refused, detail=told)


def _words(refused: Refused) -> tuple[str, str]:
    extra = refused.extra
    match refused.code:
        case "overlap" if extra.get("starts_at") and extra.get("ends_at"):
            zh, en = (words.span(extra["starts_at"], extra["ends_at"], lang) for lang in ("zh", "en"))
            return (
                f"贵单位在 {zh} 已有另一场。确实要都参加，请勾选“允许与已有场次时间重叠”，再点一次。",
                f"Your venue has another session on {en}. If you mean to have both, tick the box that allows it.",
            )
        case "limit-month":
            return (
                f"每个单位每月最多点{extra.get('most')}场，贵单位在{extra.get('month')}已有{extra.get('booked')}场。"
                "取消当月的一场，就可以再点。",
                f"A venue may have {extra.get('most')} sessions a month; yours has {extra.get('booked')} in "
                f"{extra.get('month')}. Cancel one of that month to book another.",
            )
        case "early" if extra.get("opens_at"):
            at = f"{words.local(extra['opens_at']):%H:%M:%S}"
            return (
                f"还没有开放：{words.day(extra['opens_at'])} {at} 开始点单。到时按钮自动可按，不必刷新。",
                f"Not open yet: booking begins on {words.day(extra['opens_at'], 'en')} at {at}. The button wakes then.",
            )
        case "too-many":
            wait = refused.retry_after or "1"
            return (
                f"贵单位点得太密了，请过{wait}秒再按一次；刚才这一次没有登记。",
                f"That was too often for one organization. Press again in {wait} s; this time nothing was taken down.",
            )
        case "key-reused":
            return (
                "这张表单已经提交过另一份内容，那一份有效。要按现在填的再点一份，请再按一次（已换一个新键）。",
                "This form was sent before with something else, and that stands. Press again to send what it says now.",
            )
    return "", ""
