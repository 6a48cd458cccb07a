"""Matching's next version, as far as an upgrade can tell: the same decisions, and events that say who wrote them."""

from youai_matching import __main__ as program
from youai_matching import decider, loops, sources, streams

SOURCE = f"{sources.SOURCE}/next"

for module in (decider, loops, streams):
    module.SOURCE = SOURCE  # type: ignore[attr-defined]

if __name__ == "__main__":
    program.main()
