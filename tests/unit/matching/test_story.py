"""The examples of decisions are what the domain decides: golden bytes of the rule version that they name."""

import json

from youai_contracts.topics import BOOKING, CLAIM

from tests.unit.matching.story import EXAMPLES, decisions, examples


def test_every_decision_example_is_what_the_domain_decides() -> None:
    files = {
        f"{type_}/{path.stem}": json.loads(path.read_text("utf-8"))
        for type_ in (*BOOKING.event_types, *CLAIM.event_types)
        for path in (EXAMPLES / type_).glob("*.json")
    }
    assert files == examples()


def test_the_story_ends_at_its_golden_hash() -> None:
    """All earlier ones are in it, through the chain: code that changes a byte of an old decision fails here."""
    last = {decision.event.key().removeprefix("demand:"): decision.event.hash for decision in decisions()}
    assert last == {
        "session-women-federation-01-01": "c445945554f1f9eeb18fedf3b882afb057117d76eb680e2e9726debc93a65b80",
        "session-health-04-02": "a14f67c68c9799b69735b4db9627b54aa2422d3d61e5836e46b9c6406a95f63a",
        "session-library-06-01": "106bb511f4e7ff42ea3d4f5945e5729b569f17c40ae996d9985260ca9300a065",
        "demand-eb71c8f0157f3e2467edd5116579079a": "25dd6c58d14d742829e84c3db2d19d74d71dccf471055fb587898cc61304d7de",
        "demand-dbdcde0a6f9cbb85f7c2557032fda060": "c27ba45fc09af575b9aa1414f0faca3b07cc8a75990a63a3d5c9de816d7fe369",
    }
