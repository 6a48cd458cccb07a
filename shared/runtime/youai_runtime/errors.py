"""Which errors of the outside mean that it is worth asking again."""

import asyncpg
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, RecordTooLargeError

_TRANSIENT: tuple[type[BaseException], ...] = (
    OSError,  # refused, reset, unreachable; TimeoutError and SSLError are among them
    asyncpg.InterfaceError,  # "connection is closed", "pool is closing"
    asyncpg.InternalClientError,  # a statement given to a connection in the moment when its server dies
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # admin shutdown, crash shutdown, cannot connect now, statement timeout
    asyncpg.InsufficientResourcesError,  # too many connections, out of memory, disk full
    asyncpg.LockNotAvailableError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.IdleInTransactionSessionTimeoutError,
)
_OURS: tuple[type[BaseException], ...] = (
    ValueError,  # asyncpg's client-side DataError is an InterfaceError and a ValueError: a value of ours does not fit
    MessageSizeTooLargeError,
    RecordTooLargeError,
)


def is_database_transient(error: BaseException) -> bool:
    """True if the database may answer when asked again. A transaction's outcome is unknown until it is read back."""
    return isinstance(error, _TRANSIENT) and not isinstance(error, _OURS)


def is_transient(error: BaseException) -> bool:
    """True if the broker or the database may answer when asked again."""
    return is_database_transient(error) or (isinstance(error, KafkaError) and not isinstance(error, _OURS))


def may_be_committed(error: BaseException) -> bool:
    """True if a statement that failed so may yet stand: the database went away before it could say what became of it.

    An error that the server itself reports of the statement (a lock not had in time, a cancelled query) is a clear no.
    """
    if isinstance(error, asyncpg.QueryCanceledError):
        return False
    gone = (asyncpg.PostgresConnectionError, asyncpg.OperatorInterventionError)
    return is_database_transient(error) and (not isinstance(error, asyncpg.PostgresError) or isinstance(error, gone))
