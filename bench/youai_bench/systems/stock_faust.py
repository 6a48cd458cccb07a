"""Faust as it comes: an agent with `take`, around our decide and our SQL."""

from youai_bench.systems.loops import OneLoop


class StockFaust(OneLoop):
    """Faust's own consumer, streams, commits and producer; batches by `take`, as its documents advise for databases."""

    name = "stock_faust"
    module = "youai_bench.systems.stock_faust_worker"
