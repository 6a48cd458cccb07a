"""Where the checkout is."""

import os
from pathlib import Path


def path() -> Path:
    """The checkout's root: what the launcher says, else the place of this file."""
    return Path(os.environ.get("YOUAI_ROOT") or Path(__file__).resolve().parents[3])
