"""The market as the demonstration counts it from an export."""

import copy
from pathlib import Path

from youai_stack.demo.market import market

from tests.unit.verifier.exports import RUSH, Export, claim, closed, export, mine, opened, posted
from tests.unit.verifier.test_places import CUTS


def with_offers(made: Export) -> Export:
    offer = {"offer_id": "o", "provider_id": "p", "provider_name": "市妇联", "category": "教育服务"}
    sessions = [{"offer_id": "o", "slot_id": slot, "capacity": 2} for slot in ("s", "unbooked", "cancelled", "t")]
    events = [("offer-published", offer), *(("session-opened", session) for session in sessions)]
    events.append(("session-cancelled", {"offer_id": "o", "slot_id": "cancelled"}))
    for offset, (type_, data) in enumerate(events):
        row = {"partition": 0, "offset": offset, "timestamp": 0, "key": "o", "headers": {"ce_type": type_}}
        made.offers.append(row | {"data": data})
    return made


def test_the_market(tmp_path: Path) -> None:
    made = with_offers(export(copy.deepcopy(RUSH), [(opened(4, slot="t"), []), (closed(slot="t"), [])]))
    found = market(made.write(tmp_path))
    assert found["booking_rate_by_provider"] == [
        {"provider_id": "p", "provider_name": "市妇联", "places_offered": 4, "places_booked": 2, "rate": 0.5}
    ]
    row = {"category": "教育服务", "requests": 1, "places": 1, "reasons": {"full": 1}}
    assert found["unmet_by_category"] == [row]


def test_who_was_displaced_is_unmet(tmp_path: Path) -> None:
    made = with_offers(export(CUTS["after closing for good"]))
    row = {"category": "教育服务", "requests": 1, "places": 1, "reasons": {"capacity-cut-closed": 1}}
    assert market(made.write(tmp_path))["unmet_by_category"] == [row]


def test_demands_are_in_no_market(tmp_path: Path) -> None:
    folder = export([(posted(), []), (claim(1), [mine(1, 1)])]).write(tmp_path)
    assert market(folder) == {"booking_rate_by_provider": [], "unmet_by_category": []}
