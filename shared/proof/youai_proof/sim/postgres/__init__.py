"""A fake of PostgreSQL: the SQL of matching and notify as it is written, on tables in memory, with every fault."""

from youai_proof.sim.postgres.faults import Faults
from youai_proof.sim.postgres.server import Server

__all__ = ["Faults", "Server"]
