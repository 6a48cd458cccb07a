"""The permission tables of the services with an API: for each call, which roles may make it, for whose things."""

from tests.support.permissions import catalog, demand, matching, notify
from tests.support.permissions.scene import Row

TABLES: dict[str, dict[str, Row]] = {
    "catalog": catalog.TABLE,
    "demand": demand.TABLE,
    "matching": matching.TABLE,
    "notify": notify.TABLE,
}
