"""Which systems there are, on which work each is measured, and which ratios come of it."""

from collections.abc import Callable
from dataclasses import dataclass

from youai_bench.system import System
from youai_bench.systems.confluent_loop import ConfluentLoop
from youai_bench.systems.kafka_streams.system import KafkaStreams
from youai_bench.systems.limits import Copy, Read
from youai_bench.systems.redis_lua.system import RedisLua
from youai_bench.systems.row_lock import RowLock
from youai_bench.systems.stock_faust import StockFaust
from youai_bench.systems.stored_procedure import StoredProcedure
from youai_bench.systems.youai import Youai


@dataclass(frozen=True)
class Case:
    """A system on a work: a line of the table. `first` is how many records a first, unmeasured drain has.

    `spare` is how much longer than the shortest drain a round is made by that first drain's rate: a machine is not
    always as busy, and who is warm may be faster.
    """

    name: str
    system: str
    work: str
    first: int = 20_000
    spare: float = 1.25
    waitlist: bool = False
    quick: bool = True
    """Whether `--quick` measures it."""


@dataclass(frozen=True)
class Ratio:
    """One case's rate over another's, and the goal for it (None: none was set)."""

    name: str
    of: str
    against: str
    goal: float | None


SYSTEMS: dict[str, Callable[[], System]] = {
    "youai": lambda: Youai(workers=2),
    "row_lock": RowLock,
    "stored_procedure": StoredProcedure,
    "stock_faust": StockFaust,
    "confluent_loop": ConfluentLoop,
    "kafka_streams": KafkaStreams,
    "redis_lua_pipelined": RedisLua,
    "redis_lua": lambda: RedisLua("redis_lua", pipeline=1, connections=64),
    "limit_copy": Copy,
    "limit_read": Read,
}
CASES = (
    Case("youai", "youai", "uniform", first=40_000, spare=1.5),
    Case("limit_copy", "limit_copy", "uniform", first=100_000),
    Case("confluent_loop", "confluent_loop", "uniform", first=40_000),
    Case("kafka_streams", "kafka_streams", "uniform", first=100_000, spare=2.4),
    Case("redis_lua_pipelined", "redis_lua_pipelined", "uniform", first=40_000),
    Case("stored_procedure", "stored_procedure", "uniform"),
    Case("stock_faust", "stock_faust", "uniform", first=10_000),
    Case("youai_one_slot", "youai", "one-slot", first=40_000, spare=1.5),
    Case("row_lock_hot_slot", "row_lock", "one-slot", first=1_000),
    Case("youai_one_partition", "youai", "one-partition", first=40_000, spare=1.5),
    Case("limit_read", "limit_read", "uniform", first=300_000),
    Case("youai_zipf", "youai", "zipf", first=40_000, quick=False),
    Case("youai_waitlist", "youai", "uniform", first=40_000, waitlist=True, quick=False),
    Case("redis_lua", "redis_lua", "uniform", quick=False),
)
RATIOS = (
    Ratio("vs_kafka_streams", "youai", "kafka_streams", 3.0),
    Ratio("vs_row_lock_hot_slot", "youai_one_slot", "row_lock_hot_slot", 50.0),
    Ratio("vs_stored_procedure", "youai", "stored_procedure", None),
    Ratio("vs_redis_lua_pipelined", "youai", "redis_lua_pipelined", 1.5),
    Ratio("vs_stock_faust", "youai", "stock_faust", 6.0),
    Ratio("vs_confluent_loop", "youai", "confluent_loop", None),
    Ratio("share_of_copy_limit", "youai", "limit_copy", 0.4),
    Ratio("hot_slot_vs_uniform", "youai_one_slot", "youai_one_partition", 0.9),
)
