"""Which lanes give way: those that tell of bookings. What others look things up in does not."""

from youai_notify import streams as notify
from youai_portal import streams as portal


def test_in_notify_bookings_alone() -> None:
    works = (
        notify.Organizations(), notify.Offers(), notify.Demands(),
        notify.Resources(), notify.Claims(), notify.Bookings(),
    )  # fmt: skip
    assert [work.name for work in works if work.gives_way] == ["notify.bookings"]


def test_in_portal_bookings_and_what_was_told() -> None:
    assert [work.name for work in portal.projections() if work.gives_way] == ["portal.booking", "portal.notification"]
