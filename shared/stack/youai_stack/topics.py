"""What topics a broker holds, beside what the contracts say of them."""

from dataclasses import dataclass

from youai_stack.errors import StackError


@dataclass(frozen=True)
class Listed:
    """A topic: partitions, records that it holds now, and writer and key by the contracts ("" where unknown)."""

    name: str
    partitions: int
    records: int
    writer: str
    key: str


async def partitions(bootstrap: str) -> dict[str, list[int]]:
    """The partitions of every topic but Kafka's own. Raises StackError where the broker does not answer."""
    from aiokafka.admin import AIOKafkaAdminClient
    from aiokafka.errors import KafkaError

    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        await admin.start()
        described = await admin.describe_topics()
    except (KafkaError, OSError) as error:
        raise no_answer(bootstrap, error) from error
    finally:
        await admin.close()
    return {
        topic["topic"]: sorted(partition["partition"] for partition in topic["partitions"])
        for topic in sorted(described, key=lambda topic: str(topic["topic"]))
        if not topic["topic"].startswith("_")
    }


def no_answer(bootstrap: str, error: BaseException) -> StackError:
    return StackError(f"The broker at {bootstrap} does not answer: {error or type(error).__name__}.")


async def listed(bootstrap: str) -> list[Listed]:
    """The topics of the broker by name. Raises StackError where it does not answer."""
    from aiokafka import AIOKafkaConsumer, TopicPartition
    from aiokafka.errors import KafkaError
    from youai_contracts import topics as contracts

    there = await partitions(bootstrap)
    everything = [TopicPartition(name, number) for name, numbers in there.items() for number in numbers]
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=None, enable_auto_commit=False)
    try:
        await consumer.start()
        first = await consumer.beginning_offsets(everything) if everything else {}
        end = await consumer.end_offsets(everything) if everything else {}
    except (KafkaError, OSError) as error:
        raise no_answer(bootstrap, error) from error
    finally:
        await consumer.stop()
    known = {topic.name: topic for topic in contracts.TOPICS}
    return [
        Listed(
            name=name,
            partitions=len(numbers),
            records=sum(end[part] - first[part] for part in everything if part.topic == name),
            writer=known[name].writer if name in known else "",
            key=known[name].key if name in known else "",
        )
        for name, numbers in there.items()
    ]
