"""Who may call what of notify."""

from youai_runtime.auth import ROLES

from tests.support.permissions.scene import Row, Scene, Sent, at, free

# An inbox is its organization's; a center may look at those below it, and mark nothing.
LOOK = {"own": ROLES, "above": ("center",), "other": ()}
MINE = {"own": ROLES, "above": (), "other": ()}


async def _inbox(scene: Scene) -> Sent:
    return Sent(f"/v1/inbox?organization_id={scene.venue.organization_id}")


async def _count(scene: Scene) -> Sent:
    return Sent(f"/v1/inbox/count?organization_id={scene.venue.organization_id}")


TABLE = {
    "GET /v1/inbox": Row("venue", LOOK, _inbox),
    "GET /v1/inbox/count": Row("venue", LOOK, _count),
    # These name no organization: each caller's own.
    "GET /v1/inbox/events": Row("venue", free(*ROLES), at("/v1/inbox/events")),
    "POST /v1/inbox/read-all": Row("venue", free(*ROLES), at("/v1/inbox/read-all", {"until": 0})),
    "GET /v1/preferences": Row("venue", free(*ROLES), at("/v1/preferences")),
    "POST /v1/preferences": Row("venue", free(*ROLES), at("/v1/preferences", {"muted": []})),
    "POST /v1/inbox/{notification_id}/read": Row("venue", MINE, at("/v1/inbox/{notification}/read"), refused=404),
}
