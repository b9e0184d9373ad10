"""Says of a driver's error whether the store could not take the batch, or would not have a row.

It goes by error codes, never by classes: to psycopg a text too long for an index and a full disk
are both OperationalError, but the first is one unit's fault and the second nobody's.
"""

from __future__ import annotations

import sqlite3

import psycopg

from core.errors import StoreBusy, StoreRefused

DRIVER: tuple[type[Exception], ...] = (
    sqlite3.Error,
    psycopg.Error,
    # What a driver or a codec says of a value it cannot carry: too large an integer, a lone
    # surrogate, an unknown type.
    OverflowError,
    ValueError,
    TypeError,
)

# Primary result codes of SQLite that speak of the file or its locks, not of the statement.
_SQLITE_BUSY = frozenset(
    {
        5,  # BUSY
        6,  # LOCKED
        7,  # NOMEM
        8,  # READONLY
        9,  # INTERRUPT
        10,  # IOERR
        11,  # CORRUPT
        13,  # FULL
        14,  # CANTOPEN
        15,  # PROTOCOL
        22,  # NOLFS
        26,  # NOTADB
    }
)
# Classes of PostgreSQL that speak of one statement's values: cardinality, data, integrity,
# syntax or missing things, program limits (a key too long for its index).
_POSTGRES_REFUSED = ("21", "22", "23", "42", "54")


def is_busy(error: Exception) -> bool:
    """Say whether the whole batch failed, through no fault of its rows."""
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", None)
        # Without a code it is the binding's own complaint about a parameter or a closed connection.
        return code & 0xFF in _SQLITE_BUSY if code is not None else _is_closed(error)
    if isinstance(error, psycopg.Error):
        if error.sqlstate is not None:
            return not error.sqlstate.startswith(_POSTGRES_REFUSED)
        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    return False


def _is_closed(error: sqlite3.Error) -> bool:
    return isinstance(error, sqlite3.ProgrammingError) and "closed" in str(error)


def translate(error: Exception) -> StoreBusy | StoreRefused:
    """Return our error for a driver's error before COMMIT."""
    kind = StoreBusy if is_busy(error) else StoreRefused
    return kind(f"{type(error).__name__}: {str(error).strip()}")
