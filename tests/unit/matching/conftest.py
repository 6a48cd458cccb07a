"""A longer run of the random logs: `pytest tests/unit/matching --hypothesis-profile=long`, some minutes."""

from hypothesis import settings

settings.register_profile("long", settings.get_profile("youai"), max_examples=3000)
