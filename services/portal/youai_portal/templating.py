"""Templates: the environment that pages are rendered in, and what templates can call."""

import hashlib
import secrets
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
from markupsafe import Markup

from youai_portal import words

HERE = Path(__file__).parent


def new_key() -> str:
    """A key for a rendered form: however often it is sent, it is one command."""
    return secrets.token_urlsafe(18)


def segment(text: str) -> str:
    """An id as a part of a path."""
    return quote(text, safe="")


def environment() -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.globals |= {
        "version": _version(),
        "words": words,
        "now": lambda: datetime.now(words.SHANGHAI),
        "new_key": new_key,
    }
    filters: dict[str, Callable[..., Any]] = {
        "day": words.day,
        "clock": words.clock,
        "moment": words.moment,
        "short": words.short_moment,
        "date_short": words.date_short,
        "span": words.span,
        "iso": words.iso,
        "segment": segment,
        "number": words.number,
        "epoch_ms": words.epoch_ms,
        "json_in_html": lambda text: Markup(text.replace("<", "\\u003c")),
    }
    made.filters |= filters
    return made


def _version() -> str:
    """Changes when a static file changes, so that browsers may keep them for long."""
    digest = hashlib.sha256()
    for path in sorted((HERE / "static").rglob("*.*")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
