"""Fast tests: no broker, no database, no deadline that a busy machine could miss."""

from hypothesis import settings

settings.register_profile("youai", deadline=None)
settings.load_profile("youai")
