"""Every topic in one place: its key, its one writer, its readers, its partitions and its retention."""

from dataclasses import dataclass

SLOT_PARTITIONS = 64
"""Partitions of the slot log and of what is decided from it: chosen when a city's topics are made, then fixed."""

DAY_MS = 24 * 60 * 60 * 1000
FOREVER = -1


@dataclass(frozen=True)
class Topic:
    """A topic's contract.

    `key` names the field whose value is the record's key; `writer` is the one service that appends (matching's door,
    intake and timer are one service); `retention_ms` is in milliseconds, -1 for ever.
    """

    name: str
    key: str
    writer: str
    readers: tuple[str, ...]
    partitions: int
    retention_ms: int = FOREVER
    compacted: bool = False
    event_types: tuple[str, ...] = ()


ORGANIZATION = Topic(
    name="youai.organization.v1",
    key="organization_id",
    writer="catalog",
    readers=("demand", "matching", "notify", "portal"),
    partitions=8,
    compacted=True,
    event_types=("organization-registered",),
)
OFFER = Topic(
    name="youai.offer.v1",
    key="offer_id",
    writer="catalog",
    readers=("matching", "notify", "portal"),
    partitions=8,
    event_types=(
        "offer-published",
        "offer-withdrawn",
        "session-opened",
        "session-revised",
        "session-cancelled",
        "attendance-recorded",
    ),
)
RESOURCE = Topic(
    name="youai.resource.v1",
    key="resource_id",
    writer="catalog",
    readers=("notify", "portal"),
    partitions=8,
    event_types=("resource-listed", "resource-revised", "resource-retired", "resource-asked", "resource-answered"),
)
DEMAND = Topic(
    name="youai.demand.v1",
    key="demand_id",
    writer="demand",
    readers=("matching", "notify", "portal"),
    partitions=8,
    event_types=(
        "demand-posted",
        "demand-claim-requested",
        "demand-claim-end-requested",
        "demand-claimed",
        "demand-scheduled",
        "demand-fulfilled",
        "demand-handed-back",
        "demand-withdrawn",
        "demand-expired",
    ),
)
SLOT_LOG = Topic(
    name="youai.slot-log.v1",
    key="slot_id",
    writer="matching",
    readers=("matching",),
    partitions=SLOT_PARTITIONS,
    event_types=(
        "slot-opened",
        "slot-revised",
        "slot-closed",
        "booking-requested",
        "booking-cancelled",
        "hold-accepted",
        "hold-declined",
        "override-requested",
        "timer-fired",
        "draw-revealed",
        "claim-requested",
        "claim-end-requested",
    ),
)
BOOKING = Topic(
    name="youai.booking.v1",
    key="slot_id",
    writer="matching",
    readers=("matching", "notify", "portal"),
    partitions=SLOT_PARTITIONS,
    event_types=(
        "booking-entered",
        "booking-confirmed",
        "booking-waitlisted",
        "booking-rejected",
        "booking-promoted",
        "booking-lapsed",
        "booking-released",
        "booking-displaced",
    ),
)
CLAIM = Topic(
    name="youai.claim.v1",
    key="slot_id",
    writer="matching",
    readers=("demand", "notify", "portal"),
    partitions=SLOT_PARTITIONS,
    event_types=("claim-confirmed", "claim-rejected", "claim-ended"),
)
NOTIFICATION = Topic(
    name="youai.notification.v1",
    key="recipient_id",
    writer="notify",
    readers=("portal",),
    partitions=8,
    event_types=("notification-sent", "notification-read"),
)


def dead_letter(service: str) -> Topic:
    """The topic where `service` puts records that it could not read, as received, kept for 30 days."""
    return Topic(
        name=f"youai.{service}.dead-letter.v1",
        key="as received",
        writer=service,
        readers=(),
        partitions=1,
        retention_ms=30 * DAY_MS,
    )


SERVICES = ("demand", "catalog", "matching", "notify", "portal")
TOPICS: tuple[Topic, ...] = (
    ORGANIZATION,
    OFFER,
    RESOURCE,
    DEMAND,
    SLOT_LOG,
    BOOKING,
    CLAIM,
    NOTIFICATION,
    *(dead_letter(service) for service in SERVICES),
)
BY_NAME: dict[str, Topic] = {topic.name: topic for topic in TOPICS}


def config(topic: Topic) -> dict[str, str]:
    """The broker's settings of `topic`, as strings, for the admin call that creates it.

    Every topic is stamped by the broker (LogAppendTime): a client's clock decides nothing.
    """
    return {
        "cleanup.policy": "compact" if topic.compacted else "delete",
        "retention.ms": str(topic.retention_ms),
        "message.timestamp.type": "LogAppendTime",
        "max.message.bytes": str(1024 * 1024),
    }
