"""Chinese search: what a resource says as a tsvector's text, and what somebody looks for as tsqueries' texts.

PostgreSQL splits no Chinese, so jieba does (its search mode: long words and the short ones in them). Titles and skills
also count by single characters and pairs, so that 袍 finds 旗袍, and a word that was split otherwise is still found.
"""

import re
import threading
import unicodedata
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

MOST_WORDS = 24
"""Words of a query that count; the rest says nothing more."""
LONGEST = 60
"""Characters of a word."""
RANKS = "{0.05, 0.2, 0.5, 1.0}"
"""What a hit counts by its weight D, C, B, A: pair of characters, description, skill, title."""

_HAN = re.compile("[\u3400-\u9fff\uf900-\ufaff]+")
_IDLE = frozenset(
    "的 了 和 与 及 或 在 是 有 会 能 可以 我 我们 你 您 请 要 需要 找 想 个 一个 位 名 the a an of and for".split()  # noqa: SIM905
)
_lock = threading.Lock()
_loaded: list[Any] = []


@dataclass(frozen=True)
class Query:
    """What is looked for: its words, and tsqueries' texts: fits `every` word, or `some`; both are "" without words."""

    words: tuple[str, ...]
    every: str
    some: str


def vector(title: str, skills: Sequence[str], description: str) -> str:
    """The tsvector's text: words by weight, pairs and single characters of title and skills."""
    found: dict[str, set[str]] = {}
    for weight, texts in (("A", [title]), ("B", skills), ("C", [description])):
        for text in texts:
            for word in _words(text):
                found.setdefault(word, set()).add(weight)
    for text in (title, *skills):
        for gram in _grams(_plain(text)):
            found.setdefault(gram, set()).add("D")
    return " ".join(_lexeme(word) + ":" + ",".join(map(_position, sorted(found[word]))) for word in sorted(found))


def query(text: str) -> Query:
    """What `text` looks for; words that say nothing (的, 需要 …) do not count beside others."""
    words = list(dict.fromkeys(_words(text)))
    telling = [word for word in words if word not in _IDLE] or words
    told = tuple(telling[:MOST_WORDS])
    groups = [_group(word) for word in told]
    return Query(told, " & ".join(groups), " | ".join(groups))


def _group(word: str) -> str:
    if _HAN.fullmatch(word):
        pairs = [_lexeme(a + b) for a, b in pairwise(word)] if len(word) > 2 else []
        return f"({_lexeme(word)} | ({' & '.join(pairs)}))" if pairs else _lexeme(word)
    return _lexeme(word) + (":*" if len(word) > 1 else "")


def _position(weight: str) -> str:
    # A weight hangs on a position; which one does not matter, for nothing asks how far apart words are.
    return f"{'ABCD'.index(weight) + 1}{weight}"


def _lexeme(word: str) -> str:
    return "'" + word.replace("\\", "\\\\").replace("'", "''") + "'"


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _words(text: str) -> Iterator[str]:
    for word in _tokenizer().cut_for_search(_plain(text)):
        clean = word.strip()[:LONGEST]
        if any(character.isalnum() for character in clean):
            yield clean


def _grams(text: str) -> Iterable[str]:
    for run in _HAN.findall(text):
        yield from run
        yield from (a + b for a, b in pairwise(run))


def _tokenizer() -> Any:
    """jieba's tokenizer, its dictionary loaded when it is first needed (about half a second, 100 MB)."""
    with _lock:
        if not _loaded:
            with warnings.catch_warnings():  # of its regular expressions, at its first compilation
                warnings.simplefilter("ignore")
                import jieba  # type: ignore[import-untyped]
            tokenizer = jieba.Tokenizer()
            # As its `initialize` does, less the cache: that would be a file in a folder where others can write, too.
            tokenizer.FREQ, tokenizer.total = tokenizer.gen_pfdict(tokenizer.get_dict_file())
            tokenizer.initialized = True
            _loaded.append(tokenizer)
        return _loaded[0]
