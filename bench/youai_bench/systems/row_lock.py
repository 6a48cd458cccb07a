"""The booking that most systems have: a transaction each, the slot's row locked with SELECT … FOR UPDATE."""

from youai_bench import work as works
from youai_bench.ground import Ground
from youai_bench.system import Order
from youai_bench.systems.sql_peer import SqlPeer
from youai_bench.work import Work

POOL_SIZES = (1, 2, 4, 8, 16)
_TRIES, _TRIED_ON = 2, 500


class RowLock(SqlPeer):
    """asyncpg, three round trips under the lock and one to begin; of POOL_SIZES the fastest on one hot slot."""

    name = "row_lock"
    module = "youai_bench.systems.row_lock_worker"
    ordered_by: Order = "arrival"

    async def prepare(self, ground: Ground) -> None:
        await super().prepare(ground)
        rates = dict.fromkeys(POOL_SIZES, 0.0)
        work = works.make("one-slot", _TRIED_ON)
        for self._size in POOL_SIZES * _TRIES:  # one after the other, so that a busy moment hits no size alone
            await self.fill(work)
            rates[self._size] = max(rates[self._size], work.records / (await self.drain()).seconds)
            await self.clear()
        self._size = max(rates, key=lambda size: rates[size])
        tried = ", ".join(f"{size}: {rate:,.0f}/s" for size, rate in rates.items())
        ground.tell(f"row_lock: the best pool has {self._size} connections ({tried})")

    async def _settings(self, work: Work) -> dict[str, str]:
        return await super()._settings(work) | {"BENCH_POOL": str(self._size)}
