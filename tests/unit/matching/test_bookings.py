"""Bookings in a slot as a table: a row is a rule, records in, what became of each record out."""

import pytest

from tests.unit.matching.records import CLOSES, ask, cancel, close, fire, opened
from tests.unit.matching.steps import S, Step, confirmed, play, promoted, rejected, released, told, waitlisted

FULL = [S(opened(2), "applied"), S(ask("a", 2), [confirmed("a", 2)])]
"""Two places, both taken by a."""


def full(waitlist: int | None, *rest: Step) -> list[Step]:
    return [S(opened(2, waitlist=waitlist), "applied"), FULL[1], *rest]


LIFE: dict[str, list[Step]] = {
    # 0 refused
    "a record of a slot that was never opened is refused": [S(ask("a"), "refused"), S(cancel("a"), "refused")],
    "a timer and a closing of a slot that was never opened are refused": [S(fire(), "refused"), S(close(), "refused")],
    "a refused record is not seen: the same id counts once the slot is opened": [
        S(ask("a"), "refused", id="x"),
        S(opened(1), "applied"),
        S(ask("a"), [confirmed("a", 1)], id="x"),
    ],
    "a refused record does not move the slot's time": [
        S(ask("a"), "refused", at=5),
        S(opened(1), "applied", at=-10),
        S(ask("b"), [rejected("b", "early")], at=-10),
    ],
    # 1 time
    "time never goes back: what comes late with an earlier stamp is not early": [
        S(opened(1), "applied", at=5),
        S(ask("a"), [confirmed("a", 1)], at=-100),
    ],
    "a repeat moves the slot's time": [
        S(opened(1), "applied", at=-10, id="o"),
        S(opened(1), "repeat", at=5, id="o"),
        S(ask("a"), [confirmed("a", 1)], at=-10),
    ],
    "an ignored record moves the slot's time": [
        S(opened(1), "applied", at=-10),
        S(cancel("nobody"), "ignored", at=5),
        S(ask("a"), [confirmed("a", 1)], at=-10),
    ],
    # 2 repeat
    "a repeat of a request changes nothing": [
        S(opened(5), "applied"),
        S(ask("a", 2), [confirmed("a", 2)], id="x"),
        S(ask("a", 2), "repeat", id="x"),
        S(ask("b", 3), [confirmed("b", 5)]),
    ],
    "what a repeat says does not matter": [
        S(opened(5), "applied"),
        S(ask("a", 2), [confirmed("a", 2)], id="x"),
        S(cancel("a"), "repeat", id="x"),
        S(close(), "repeat", id="x"),
    ],
    "a repeat of what was ignored is a repeat": [
        S(opened(1), "applied"),
        S(cancel("nobody"), "ignored", id="x"),
        S(cancel("nobody"), "repeat", id="x"),
    ],
    "a repeat of a cancel does not cancel what the venue asked for since": [
        S(opened(1), "applied"),
        S(ask("a", venue="v"), [confirmed("a", 1)]),
        S(cancel("a"), [released("a", "cancelled", 0)], id="x"),
        S(ask("a2", venue="v"), [confirmed("a2", 1)]),
        S(cancel("a2"), "repeat", id="x"),
    ],
    # 3 slot-opened
    "a second slot-opened is ignored, whatever it says": [
        S(opened(1), "applied"),
        S(opened(100), "ignored"),
        S(ask("a", 2), [rejected("a", "party-too-large")]),
    ],
    "a slot-opened after cancelling does not open again": [
        S(opened(1), "applied"),
        S(close(), "applied"),
        S(opened(1), "ignored"),
        S(ask("a"), [rejected("a", "session-cancelled")]),
    ],
    # 4 slot-closed
    "slot-closed releases the booked by their requests' offsets, then the queue": [
        S(opened(4), "applied"),
        S(ask("a", 2), [confirmed("a", 2)]),
        S(ask("b", 2), [confirmed("b", 4)]),
        S(ask("c", 3), [waitlisted("c", 1, 0, 4)]),
        S(ask("d", 2), [waitlisted("d", 2, 3, 4)]),
        S(ask("e", 1), [waitlisted("e", 3, 5, 4)]),
        S(cancel("a"), [released("a", "cancelled", 2), promoted("d", 4)]),
        S(
            close("offer-withdrawn"),
            [
                released("b", "offer-withdrawn", 2),
                released("d", "offer-withdrawn", 0),
                released("c", "offer-withdrawn", 0),
                released("e", "offer-withdrawn", 0),
            ],
        ),
    ],
    "one promoted is released before one confirmed after it, in the order of asking": [
        S(opened(3), "applied"),
        S(ask("a", 3), [confirmed("a", 3)]),
        S(ask("b", 1), [waitlisted("b", 1, 0, 3)]),
        S(cancel("a"), [released("a", "cancelled", 0), promoted("b", 1)]),
        S(ask("c", 1), [confirmed("c", 2)]),
        S(close(), [released("b", "session-cancelled", 1), released("c", "session-cancelled", 0)]),
    ],
    "slot-closed on an empty slot applies": [S(opened(1), "applied"), S(close(), "applied")],
    "slot-closed on a cancelled slot is ignored, and the first reason stands": [
        *FULL,
        S(close("offer-withdrawn"), [released("a", "offer-withdrawn", 0)]),
        S(close("session-cancelled"), "ignored"),
        S(ask("b"), [rejected("b", "offer-withdrawn")]),
    ],
    "a slot closed by its timer can still be cancelled": [
        *FULL,
        S(fire(), "applied", at=CLOSES),
        S(close(), [released("a", "session-cancelled", 0)]),
        S(ask("b"), [rejected("b", "session-cancelled")]),
    ],
    "cancelling clears the timer": [
        *FULL,
        S(close(), [released("a", "session-cancelled", 0)]),
        S(fire(), "ignored", at=CLOSES),
        S(ask("b"), [rejected("b", "session-cancelled")]),
    ],
    # 5 booking-requested
    "a. after the timer: rejected, closed": [
        S(opened(1), "applied"),
        S(fire(), "applied", at=CLOSES),
        S(ask("a"), [rejected("a", "closed")]),
    ],
    "a. past closes_at without its timer a slot is open": [
        S(opened(1), "applied"),
        S(ask("a"), [confirmed("a", 1)], at=CLOSES + 100),
    ],
    "a before c: cancelled says so even to a party too large": [
        S(opened(1), "applied"),
        S(close(), "applied"),
        S(ask("a", 2), [rejected("a", "session-cancelled")]),
    ],
    "b. early by a millisecond more than the tolerance": [
        S(opened(1), "applied", at=-60),
        S(ask("a"), [rejected("a", "early")], at=-1.001),
    ],
    "b. early by the tolerance is in time": [
        S(opened(1), "applied", at=-60),
        S(ask("a"), [confirmed("a", 1)], at=-1.0),
    ],
    "b before c: early, though too large": [
        S(opened(1), "applied", at=-60),
        S(ask("a", 2), [rejected("a", "early")], at=-30),
    ],
    "c. as large as the capacity is not too large": [S(opened(2), "applied"), S(ask("a", 2), [confirmed("a", 2)])],
    "c. larger than the capacity": [S(opened(2), "applied"), S(ask("a", 3), [rejected("a", "party-too-large")])],
    "c before d: too large, though the venue has one": [
        *FULL,
        S(ask("b", 3, venue="v-a"), [rejected("b", "party-too-large", 2)]),
    ],
    "d. a venue with a confirmed request": [
        S(opened(5), "applied"),
        S(ask("a", venue="v"), [confirmed("a", 1)]),
        S(ask("b", venue="v"), [rejected("b", "already-live", 1)]),
    ],
    "d. a venue that waits": [
        *FULL,
        S(ask("b", venue="v"), [waitlisted("b", 1, 0, 2)]),
        S(ask("c", venue="v"), [rejected("c", "already-live", 2)]),
    ],
    "d. a venue that was promoted": [
        *FULL,
        S(ask("b", venue="v"), [waitlisted("b", 1, 0, 2)]),
        S(cancel("a"), [released("a", "cancelled", 0), promoted("b", 1)]),
        S(ask("c", venue="v"), [rejected("c", "already-live", 1)]),
    ],
    "d. a rejected request is not live: the venue may ask again": [
        S(opened(1), "applied"),
        S(ask("a", 2, venue="v"), [rejected("a", "party-too-large")]),
        S(ask("b", 1, venue="v"), [confirmed("b", 1)]),
    ],
    "d. after a cancellation the venue may ask again": [
        *FULL,
        S(cancel("a"), [released("a", "cancelled", 0)]),
        S(ask("b", 2, venue="v-a"), [confirmed("b", 2)]),
    ],
    "d. a rejected second request does not make the first any less live": [
        S(opened(5), "applied"),
        S(ask("a", venue="v"), [confirmed("a", 1)]),
        S(ask("b", venue="v"), [rejected("b", "already-live", 1)]),
        S(ask("c", venue="v"), [rejected("c", "already-live", 1)]),
    ],
    "d before f: a venue that waits is told so, though the queue is full": full(
        1,
        S(ask("b", venue="v"), [waitlisted("b", 1, 0, 2)]),
        S(ask("c", venue="v"), [rejected("c", "already-live", 2)]),
    ),
    "e. whoever fits is confirmed, past a queue of larger parties": [
        S(opened(3), "applied"),
        S(ask("a", 2), [confirmed("a", 2)]),
        S(ask("b", 2), [waitlisted("b", 1, 0, 2)]),
        S(ask("c", 1), [confirmed("c", 3)]),
    ],
    "f. waitlist 0: nobody waits": full(0, S(ask("b"), [rejected("b", "waitlist-full", 2)])),
    "f. waitlist 1: one waits": full(
        1, S(ask("b"), [waitlisted("b", 1, 0, 2)]), S(ask("c"), [rejected("c", "waitlist-full", 2)])
    ),
    "f. waitlist 2 counts requests, not places": full(
        2,
        S(ask("b", 2), [waitlisted("b", 1, 0, 2)]),
        S(ask("c", 2), [waitlisted("c", 2, 2, 2)]),
        S(ask("d", 1), [rejected("d", "waitlist-full", 2)]),
    ),
    "f. whoever leaves the queue makes room in it": full(
        1,
        S(ask("b"), [waitlisted("b", 1, 0, 2)]),
        S(cancel("b"), [released("b", "cancelled", 2)]),
        S(ask("c"), [waitlisted("c", 1, 0, 2)]),
    ),
    "f. a full queue does not matter to whoever fits": [
        S(opened(2, waitlist=0), "applied"),
        S(ask("a"), [confirmed("a", 1)]),
        S(ask("b", 2), [rejected("b", "waitlist-full", 1)]),
        S(ask("c"), [confirmed("c", 2)]),
    ],
    "g. waitlist null: no bound; place counts requests, ahead counts places": full(
        None,
        S(ask("b", 2), [waitlisted("b", 1, 0, 2)]),
        S(ask("c", 1), [waitlisted("c", 2, 2, 2)]),
        S(ask("d", 2), [waitlisted("d", 3, 3, 2)]),
    ),
    "a request_id under another id is ignored, and keeps its outcome": [
        S(opened(3), "applied"),
        S(ask("a", 1), [confirmed("a", 1)]),
        S(ask("a", 2, venue="other"), "ignored"),
        S(ask("b", 2, venue="other"), [confirmed("b", 3)]),
    ],
    "a rejected request_id stays rejected": [
        S(opened(1), "applied"),
        S(ask("a", 2), [rejected("a", "party-too-large")]),
        S(ask("a", 1), "ignored"),
    ],
    # 6 booking-cancelled
    "cancelling what is unknown is ignored": [S(opened(1), "applied"), S(cancel("nobody"), "ignored")],
    "cancelling twice under two ids is ignored": [
        *FULL,
        S(cancel("a"), [released("a", "cancelled", 0)]),
        S(cancel("a"), "ignored"),
    ],
    "cancelling what was rejected is ignored": [
        S(opened(1), "applied"),
        S(ask("a", 2), [rejected("a", "party-too-large")]),
        S(cancel("a"), "ignored"),
    ],
    "one who waits cancels: nobody is promoted, the queue moves up": [
        *FULL,
        S(ask("b", 2), [waitlisted("b", 1, 0, 2)]),
        S(ask("c", 1), [waitlisted("c", 2, 2, 2)]),
        S(cancel("b"), [released("b", "cancelled", 2)]),
        S(ask("d", 1), [waitlisted("d", 2, 1, 2)]),
    ],
    "several are promoted by one cancel, in queue order": [
        S(opened(3), "applied"),
        S(ask("a", 3), [confirmed("a", 3)]),
        S(ask("b", 1), [waitlisted("b", 1, 0, 3)]),
        S(ask("c", 1), [waitlisted("c", 2, 1, 3)]),
        S(ask("d", 1), [waitlisted("d", 3, 2, 3)]),
        S(ask("e", 1), [waitlisted("e", 4, 3, 3)]),
        S(
            cancel("a"),
            [released("a", "cancelled", 0), promoted("b", 1), promoted("c", 2), promoted("d", 3)],
        ),
    ],
    "a party too large for what is free is passed over and keeps its place": [
        S(opened(3), "applied"),
        S(ask("a", 2), [confirmed("a", 2)]),
        S(ask("b", 1), [confirmed("b", 3)]),
        S(ask("c", 3), [waitlisted("c", 1, 0, 3)]),
        S(ask("d", 2), [waitlisted("d", 2, 3, 3)]),
        S(cancel("a"), [released("a", "cancelled", 1), promoted("d", 3)]),
        S(cancel("b"), [released("b", "cancelled", 2)]),
        S(cancel("d"), [released("d", "cancelled", 0), promoted("c", 3)]),
    ],
    "free places that reach nobody stay free for who comes": [
        S(opened(3), "applied"),
        S(ask("a", 1), [confirmed("a", 1)]),
        S(ask("b", 2), [confirmed("b", 3)]),
        S(ask("c", 3), [waitlisted("c", 1, 0, 3)]),
        S(cancel("a"), [released("a", "cancelled", 2)]),
        S(ask("d", 1), [confirmed("d", 3)]),
    ],
    "one promoted cancels, and the next is promoted": [
        *FULL,
        S(ask("b", 2), [waitlisted("b", 1, 0, 2)]),
        S(ask("c", 2), [waitlisted("c", 2, 2, 2)]),
        S(cancel("a"), [released("a", "cancelled", 0), promoted("b", 2)]),
        S(cancel("b"), [released("b", "cancelled", 0), promoted("c", 2)]),
    ],
    "after cancelling of the slot there is nothing to cancel": [
        *FULL,
        S(close(), [released("a", "session-cancelled", 0)]),
        S(cancel("a"), "ignored"),
    ],
    # 7 timer-fired
    "the closing timer releases who waits, in queue order, and nobody else": [
        *FULL,
        S(ask("b", 2), [waitlisted("b", 1, 0, 2)]),
        S(ask("c", 1), [waitlisted("c", 2, 2, 2)]),
        S(fire(), [released("b", "closed", 2), released("c", "closed", 2)], at=CLOSES),
    ],
    "a timer with a wrong due_at is ignored": [
        S(opened(1), "applied"),
        S(fire(CLOSES - 1), "ignored", at=CLOSES),
        S(fire(CLOSES + 1), "ignored", at=CLOSES + 5),
        S(ask("a"), [confirmed("a", 1)]),
    ],
    "a timer with a wrong subject is ignored": [
        S(opened(1), "applied"),
        S(fire(subject="a"), "ignored", at=CLOSES),
        S(ask("a"), [confirmed("a", 1)]),
    ],
    "a timer a millisecond too early is ignored, and may come again": [
        S(opened(1), "applied"),
        S(fire(), "ignored", at=CLOSES - 0.001),
        S(fire(), "applied", at=CLOSES),
        S(ask("a"), [rejected("a", "closed")]),
    ],
    "a timer's own stamp counts, or any before it": [
        S(opened(1), "applied"),
        S(cancel("nobody"), "ignored", at=CLOSES),
        S(fire(), "applied", at=0),
    ],
    "a timer twice: the second is ignored": [
        S(opened(1), "applied"),
        S(fire(), "applied", at=CLOSES),
        S(fire(), "ignored", at=CLOSES + 5),
    ],
    "after the timer a cancel releases and promotes nobody": [
        *FULL,
        S(ask("b", 1), [waitlisted("b", 1, 0, 2)]),
        S(fire(), [released("b", "closed", 2)], at=CLOSES),
        S(cancel("a"), [released("a", "cancelled", 0)]),
        S(cancel("b"), "ignored"),
    ],
}


@pytest.mark.parametrize("steps", LIFE.values(), ids=LIFE.keys())
def test_life(steps: list[Step]) -> None:
    assert [told(verdict) for verdict in play(steps)] == [step.becomes for step in steps]
