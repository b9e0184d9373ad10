"""Brings the schema up to date. Alembic is imported only when there is something to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import sqlalchemy as sa

from core.errors import FrontdeskError
from plugins.sql.engine import make_engine
from plugins.sql.migrations import HEAD

_LOCK = 0x46726F6E74  # an advisory lock is a number: ours spells "Front"
_POSTGRES_OPTIONS = "-c lock_timeout=60000 -c idle_in_transaction_session_timeout=0"


class NoDatabase(FrontdeskError):
    """The database cannot be reached."""


class NewerSchema(FrontdeskError):
    """The schema was made by a later release than this one."""


def migrate(url: str, *, before: Callable[[], None] = lambda: None) -> list[str]:
    """Take the steps that are missing, in one transaction; return their names.

    `before` is called when there is something to change in a database that holds something.
    On PostgreSQL a second migration waits for the first and then finds nothing to do.
    """
    found = revision_of(url)
    if found == HEAD:
        return []
    if found is not None:
        before()
    engine = _engine(url)
    try:
        with _transaction(engine) as connection:
            return _upgrade(connection)
    finally:
        engine.dispose()


def is_current(url: str) -> bool:
    """Say whether the schema is this release's. Does not create a missing SQLite file."""
    return revision_of(url) == HEAD


def revision_of(url: str) -> str | None:
    """Return the last step taken, None when there is none; NoDatabase, NewerSchema."""
    parsed = sa.make_url(url)
    is_sqlite = parsed.get_backend_name() == "sqlite"
    if is_sqlite and not Path(parsed.database or "").exists():
        return None
    engine = _engine(url)
    try:
        with engine.connect() as connection:
            if not sa.inspect(connection).has_table("alembic_version"):
                return None
            found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    except sa.exc.DBAPIError as error:
        raise NoDatabase(f"The database cannot be reached: {str(error.orig).strip()}") from error
    finally:
        engine.dispose()
    if found is not None and str(found) > HEAD:
        raise NewerSchema(f"The schema is of step {found}; this release knows {HEAD}.")
    return None if found is None else str(found)


def _engine(url: str) -> sa.Engine:
    parsed = sa.make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return make_engine(url, pool=1)
    # No statement timeout: an index on a large table takes as long as it takes.
    return sa.create_engine(
        parsed,
        isolation_level="AUTOCOMMIT",
        poolclass=sa.pool.NullPool,
        connect_args={"options": _POSTGRES_OPTIONS, "connect_timeout": 5, "autocommit": True},
    )


@contextmanager
def _transaction(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Hold one transaction around all steps: a crash leaves the schema as it was."""
    with engine.connect() as connection:
        is_sqlite = engine.dialect.name == "sqlite"
        connection.exec_driver_sql("BEGIN IMMEDIATE" if is_sqlite else "BEGIN")
        try:
            if not is_sqlite:
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
            yield connection
        except BaseException:
            with suppress(sa.exc.DBAPIError):
                connection.exec_driver_sql("ROLLBACK")
            raise
        connection.exec_driver_sql("COMMIT")


def _upgrade(connection: sa.Connection) -> list[str]:
    from alembic import command
    from alembic.config import Config

    steps: list[str] = []
    config = Config(attributes={"connection": connection, "steps": steps})
    folder = str(Path(__file__).with_name("migrations"))
    config.set_main_option("script_location", folder.replace("%", "%%"))
    command.upgrade(config, "head")
    return steps
