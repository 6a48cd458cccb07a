"""Is it ready? One question for each kind of process; the answer is "" for yes, else what is missing, in words."""

import asyncio

from youai_stack.ports import HOST

PATIENCE_S = 2.0
"""How long one question may take."""


async def http(port: int) -> str:
    """Ask GET /readyz of a service's process on the loopback: 200 is yes."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            reader, writer = await asyncio.open_connection(HOST, port)
            try:
                writer.write(f"GET /readyz HTTP/1.1\r\nHost: {HOST}:{port}\r\nConnection: close\r\n\r\n".encode())
                answer = await reader.read(4096)
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return "no answer to /readyz"
    head, _, body = answer.partition(b"\r\n\r\n")
    status = head.split(b" ", 2)[1:2]
    return "" if status == [b"200"] else f"/readyz says {body.decode(errors='replace').strip()[:200] or 'no'}"


async def kafka(bootstrap: str) -> str:
    """Whether the broker's first address takes connections."""
    host, _, port = bootstrap.split(",")[0].rpartition(":")
    try:
        async with asyncio.timeout(PATIENCE_S):
            _, writer = await asyncio.open_connection(host, int(port))
            writer.close()
    except (OSError, TimeoutError):
        return f"no answer at {bootstrap}"
    return ""


async def postgres(dsn: str) -> str:
    """Whether the administrator can log in."""
    import asyncpg

    try:
        connection = await asyncpg.connect(dsn, timeout=PATIENCE_S)
        await connection.close(timeout=PATIENCE_S)
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        return str(error) or type(error).__name__
    return ""
