"""Creates the topics of the contracts that a broker lacks: python topics.py BOOTSTRAP REPLICATION MIN_IN_SYNC.

Topics that are there stay as they are: their partitions were chosen when they were made. Runs in any service's image;
by TLS or with a password where the YOUAI_KAFKA_… variables of the services say so.
"""

import asyncio
import sys

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from youai_contracts import topics
from youai_runtime.kafka import Broker
from youai_runtime.settings import KafkaSettings

ALREADY_THERE = 36


async def create(broker: Broker, replication: int, min_in_sync: int) -> int:
    """Create what is missing; returns how many topics were. Raises KafkaError where the broker does not answer."""
    safety = {"min.insync.replicas": str(min_in_sync), "unclean.leader.election.enable": "false"}
    admin = AIOKafkaAdminClient(**broker.options())
    try:
        await admin.start()
        there = set(await admin.list_topics())
        missing = [
            NewTopic(topic.name, topic.partitions, replication, topic_configs=topics.config(topic) | safety)
            for topic in topics.TOPICS
            if topic.name not in there
        ]
        answer = await admin.create_topics(missing, timeout_ms=15_000) if missing else None
    finally:
        await admin.close()
    for name, code, *why in getattr(answer, "topic_errors", ()):
        if code not in (0, ALREADY_THERE):
            sys.exit(f"the broker refused to make {name}: {why[0] if why else code}")
    return len(missing)


def main() -> None:
    """Run what the command line names."""
    if len(sys.argv) != 4:
        sys.exit("usage: topics.py BOOTSTRAP REPLICATION MIN_IN_SYNC")
    made = asyncio.run(create(KafkaSettings(kafka=sys.argv[1]).broker, int(sys.argv[2]), int(sys.argv[3])))
    print(f"{made} topics made, {len(topics.TOPICS) - made} were there")  # noqa: T201


if __name__ == "__main__":
    main()
