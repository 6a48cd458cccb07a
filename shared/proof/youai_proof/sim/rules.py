"""Rule versions for simulated worlds: the city's own, with seconds in place of hours and days."""

import json
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from youai_matching.rule_files import RuleBook

RULES_NAME = "simulated"
WINDOW_S = 2.5
"""How long a draw's window is open."""
_BASE = "2027-01"


@cache
def folder() -> Path:
    """A folder with every rule version that a world knows; it lives as long as this process."""
    holder = tempfile.TemporaryDirectory(prefix="youai-rules-")
    _keep.append(holder)
    place = Path(holder.name)
    rules: dict[str, Any] = json.loads(RuleBook.file(_BASE))
    rules["name"] = RULES_NAME
    rules["draw"] = {"window_ms": int(WINDOW_S * 1000)}
    rules["town_shares"] = {"until_ms_before": 15_000}
    rules["queue"] = {"most_passes": 1, "kept_until_ms_before": 6_000}
    rules["hold"] |= {
        "far_over_ms": 80_000,
        "far_ms": 6_000,
        "near_under_ms": 30_000,
        "middle_working_ms": 4_500,
        "near_ms": 3_000,
        "after_opening_ms": 3_000,
    }
    rules["points"] |= {
        "late_ms_before": 30_000,
        "forgiven": 0,
        "second_class_from": 1,
        "second_class_until_ms_before": 9_000,
    }
    rules["limits"] = {"per_offer": 2, "per_month": 4}
    rules["calendar"]["working_hours"] = ["00:00", "23:59"]
    (place / f"{RULES_NAME}.json").write_text(json.dumps(rules, ensure_ascii=False), encoding="utf-8")
    return place


@cache
def book() -> RuleBook:
    """All rule versions: those that come with the program, and the simulated one."""
    return RuleBook(folder())


@cache
def for_verifier() -> Path:
    """A folder with the simulated version alone, and those of the program, as the verifier reads them."""
    place = folder()
    for name in ("2026-11", "2026-12", "2027-01"):
        (place / f"{name}.json").write_bytes(RuleBook.file(name))
    return place


_keep: list[Any] = []
