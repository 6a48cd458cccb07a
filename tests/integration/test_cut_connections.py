"""A client whose connection is cut while it writes finds its broker again, on the event loop that services run on."""

import asyncio

import uvloop
import youai_runtime.kafka  # noqa: F401 - importing it is what minds a closed transport
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.metadata import MetadataRequest

from tests.support.stack import Stack


class Closed:
    """A writer as uvloop's is from the moment when its transport closed."""

    def write(self, data: bytes) -> None:
        raise RuntimeError("unable to perform operation on <TCPTransport closed=True>; the handler is closed")

    def close(self) -> None:
        pass


async def cut_and_ask_again(bootstrap: str) -> None:
    client = AIOKafkaClient(bootstrap_servers=bootstrap)
    await client.bootstrap()
    try:
        node = client.get_random_node()
        await client.ready(node)
        connection = await client._get_conn(node)
        connection._writer.transport.abort()
        connection._writer = Closed()
        try:
            await connection.send(MetadataRequest(None))
        except KafkaConnectionError:
            pass
        else:
            raise AssertionError("the cut connection took a request")
        assert await asyncio.wait_for(client.force_metadata_update(), 10)
    finally:
        await client.close()


def test_a_connection_cut_in_mid_write(stack: Stack) -> None:
    uvloop.run(cut_and_ask_again(stack.bootstrap))
