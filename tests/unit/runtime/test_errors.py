"""Which errors are worth asking again."""

import ssl

import asyncpg
import pytest
from aiokafka import errors as kafka
from youai_runtime.errors import is_database_transient, is_transient

DATABASE = [
    ConnectionRefusedError(), ConnectionResetError(), BrokenPipeError(), TimeoutError(), OSError("no route"),
    ssl.SSLError("handshake"),
    asyncpg.InterfaceError("connection is closed"), asyncpg.ConnectionDoesNotExistError(),
    asyncpg.ConnectionFailureError(), asyncpg.CannotConnectNowError(), asyncpg.AdminShutdownError(),
    asyncpg.CrashShutdownError(), asyncpg.QueryCanceledError(), asyncpg.TooManyConnectionsError(),
    asyncpg.DiskFullError(), asyncpg.OutOfMemoryError(), asyncpg.LockNotAvailableError(),
    asyncpg.DeadlockDetectedError(), asyncpg.SerializationError(), asyncpg.IdleInTransactionSessionTimeoutError(),
]  # fmt: skip
BROKER = [
    kafka.KafkaConnectionError(), kafka.KafkaTimeoutError(), kafka.NotLeaderForPartitionError(),
    kafka.RequestTimedOutError(), kafka.NodeNotReadyError(), kafka.NotEnoughReplicasError(),
]  # fmt: skip
OURS = [
    KeyError("x"), ValueError("x"), TypeError("x"), AssertionError("x"), LookupError("x"), RuntimeError("x"),
    UnicodeDecodeError("utf-8", b"", 0, 1, "x"), RecursionError(), ZeroDivisionError(),
    asyncpg.DataError("invalid input for query argument $1"),  # of asyncpg.exceptions: the server's
    asyncpg.exceptions._base.ClientConfigurationError("bad DSN"),
    asyncpg.UniqueViolationError(), asyncpg.CheckViolationError(), asyncpg.NotNullViolationError(),
    asyncpg.UndefinedTableError(), asyncpg.UndefinedColumnError(), asyncpg.PostgresSyntaxError(),
    asyncpg.InsufficientPrivilegeError(), asyncpg.CharacterNotInRepertoireError(),
    kafka.MessageSizeTooLargeError(), kafka.RecordTooLargeError(),
]  # fmt: skip


def name(error: BaseException) -> str:
    return type(error).__name__


@pytest.mark.parametrize("error", DATABASE, ids=name)
def test_the_database_may_answer_again(error: BaseException) -> None:
    assert is_database_transient(error)
    assert is_transient(error)


@pytest.mark.parametrize("error", BROKER, ids=name)
def test_the_broker_may_answer_again(error: BaseException) -> None:
    assert is_transient(error)
    assert not is_database_transient(error)


@pytest.mark.parametrize("error", OURS, ids=name)
def test_our_own_errors_are_never_asked_again(error: BaseException) -> None:
    assert not is_transient(error)
    assert not is_database_transient(error)
