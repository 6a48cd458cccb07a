"""Chinese words: what a title says and what somebody looks for meet, and nothing typed breaks PostgreSQL's syntax."""

import os
import random
import re
import subprocess
import sys
import tempfile

import pytest
from youai_catalog import words

LEXEME = r"'(?:[^'\\]|''|\\\\)+'"
VECTOR = re.compile(rf"({LEXEME}:[1-4][ABCD](,[1-4][ABCD])*( |$))*")
TEXTS = [
    "旗袍",
    "'; DROP TABLE resource; --",
    "\\",
    "'\\'",
    "a & b | !c:*<->(d)",
    "\u202e反",
    "🎭 戏曲",
    "ＡＢＣ１２３",
    "\t\n",
]


def test_a_resource_by_its_weights() -> None:
    found = words.vector("旗袍走秀老师", ["形体", "Python"], "教阿姨走台步")
    assert VECTOR.fullmatch(found)
    assert "'旗袍':1A,4D" in found
    assert "'形体':2B,4D" in found
    assert "'python':2B" in found
    assert "'阿姨':3C" in found
    assert "'袍':4D" in found
    assert "'袍走':4D" in found
    assert "'姨':" not in found


def test_what_is_looked_for() -> None:
    assert words.query("旗袍").words == ("旗袍",)
    assert words.query("旗袍").every == "'旗袍'"
    assert words.query("需要旗袍的老师").words == ("旗袍", "老师")
    assert words.query("需要旗袍的老师").every == "'旗袍' & '老师'"
    assert words.query("ＰＹ").some == "'py':*"
    assert words.query("的").words == ("的",)
    assert "('志愿者' | ('志愿' & '愿者'))" in words.query("志愿者").some


@pytest.mark.parametrize("text", ["", "   ", "！？——……", "'", "\\"])
def test_what_says_nothing(text: str) -> None:
    assert words.query(text) == words.Query((), "", "")
    assert words.vector(text, [], text) == ""


def test_a_long_text_is_bounded() -> None:
    told = words.query("志愿服务" * 50 + " ".join(f"x{n}" for n in range(100)))
    assert len(told.words) == words.MOST_WORDS
    assert max(map(len, words.query("x" * 4_000).words)) == words.LONGEST


def test_whatever_is_typed_stays_between_quotes() -> None:
    for seed in range(200):
        dice = random.Random(seed)
        text = "".join(dice.choice([*TEXTS, *"'\\:*&|!<>() 旗袍队ab1"]) for _ in range(dice.randrange(1, 12)))
        assert VECTOR.fullmatch(words.vector(text, [text], text))
        outside = re.sub(LEXEME, "", words.query(text).every)
        assert not set(outside) - set(" &|():*")


def test_nothing_is_loaded_before_it_is_needed_and_no_file_is_left() -> None:
    code = (
        "import sys, youai_catalog.api, youai_catalog.__main__\n"
        "assert not {'jieba', 'openpyxl'} & set(sys.modules)\n"
        "from youai_catalog import words\n"
        "print(words.query('旗袍').words)"
    )
    with tempfile.TemporaryDirectory() as folder:
        shown = subprocess.run(
            [sys.executable, "-c", code],
            env={"TMPDIR": folder, "PYTHONUTF8": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (shown.stdout.strip(), shown.stderr) == ("('旗袍',)", "")
        assert os.listdir(folder) == []
