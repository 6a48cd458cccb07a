"""A plain loop on the C client, with our decide and our SQL: as fast as honest Python without a lane gets."""

from youai_bench.systems.loops import OneLoop


class ConfluentLoop(OneLoop):
    """Consume, decide, commit, produce; the producer sends from its own thread meanwhile."""

    name = "confluent_loop"
    module = "youai_bench.systems.confluent_worker"
