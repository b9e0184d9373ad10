"""The steps make exactly the tables that the row classes say, on both stores."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import warnings
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from core.clock import SystemClock
from core.models.people import Team
from core.testing.postgres import PostgresServer
from plugins.sql import migrate, migrations, schema
from plugins.sql.engine import make_engine
from plugins.sql.plugin import Postgresql, Sqlite


def _differences(url: str, metadata: sa.MetaData) -> list[object]:
    engine = make_engine(url, pool=1)
    with engine.connect() as connection, warnings.catch_warnings():
        # It cannot read indexes on expressions of SQLite; the test below compares their text.
        warnings.filterwarnings("ignore", message="autogenerate skipping metadata-specified")
        warnings.filterwarnings("ignore", message="Skipped unsupported reflection")
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        found: list[object] = list(compare_metadata(context, metadata))
    engine.dispose()
    return found


def _indexes(url: str) -> dict[str, str]:
    """The definitions as the store keeps them, spaces and quotes evened out."""
    engine = make_engine(url, pool=1)
    sql = (
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
        if engine.dialect.name == "sqlite"
        else "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"
    )
    with engine.connect() as connection:
        rows = connection.exec_driver_sql(sql).all()
    engine.dispose()
    return {name: " ".join(text.replace('"', "").split()) for name, text in rows}


def test_the_schema_is_what_the_rows_say(database_url: str) -> None:
    found = _differences(database_url, schema.metadata)
    assert [one for one in found if "alembic_version" not in str(one)] == []


def test_a_difference_would_be_seen(sqlite_url: str) -> None:
    other = sa.MetaData()
    for table in schema.metadata.tables.values():
        table.to_metadata(other)
    other.tables["contact"].append_column(sa.Column("shoe_size", sa.Integer()))
    assert "shoe_size" in str(_differences(sqlite_url, other))


def test_indexes_are_the_same_ones(
    database_url: str, tmp_path: Path, postgres_server: PostgresServer
) -> None:
    """Partial and expression indexes too, which the comparison above cannot see on SQLite."""
    on_sqlite = database_url.startswith("sqlite")
    bare = f"sqlite:///{tmp_path}/bare.db" if on_sqlite else postgres_server.create("bare")
    engine = make_engine(bare, pool=1)
    schema.metadata.create_all(engine)
    engine.dispose()
    made = {name: text for name, text in _indexes(database_url).items() if "alembic" not in name}
    wanted = _indexes(bare)
    if not on_sqlite:
        postgres_server.drop("bare")
    assert made == wanted


def test_texts_compare_byte_by_byte(database_url: str) -> None:
    """An English order would put "a" before "B"; ids and cursors need the order of bytes."""
    engine = make_engine(database_url, pool=1)
    table = schema.TABLES[Team]
    with engine.connect() as connection:
        for name in ("a", "B", "é", "z"):
            connection.execute(sa.insert(table).values(id=name, name=name))
        found = list(connection.execute(sa.select(table.c.id).order_by(table.c.name)).scalars())
    engine.dispose()
    assert found == ["B", "a", "z", "é"]


def test_the_named_head_is_the_last_step() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    assert ScriptDirectory.from_config(config).get_current_head() == migrations.HEAD


def test_a_second_run_has_nothing_to_do(database_url: str) -> None:
    def never() -> None:
        pytest.fail("a copy is made before a change only")

    assert migrate.is_current(database_url)
    assert migrate.migrate(database_url, before=never) == []


def test_counter_row_stands_at_zero(database_url: str) -> None:
    engine = make_engine(database_url, pool=1)
    with engine.connect() as connection:
        rows = connection.execute(sa.select(schema.counter)).all()
    engine.dispose()
    assert [tuple(row) for row in rows] == [(1, 0, 0, 0, 1)]


def test_opening_an_older_sqlite_copies_it_first(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path)) as old, old:
        old.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
        old.execute("INSERT INTO alembic_version VALUES ('0000')")
        old.execute("CREATE TABLE kept (value TEXT)")
        old.execute("INSERT INTO kept VALUES ('here')")
    with pytest.raises(Exception, match="0000"):
        # There is no step 0000 to come from; the copy was made before anybody found out.
        Sqlite().open(f"sqlite:///{path}", clock=SystemClock(), relaxed=False)
    (copy_path,) = tmp_path.glob("old.before-*.db")
    with closing(sqlite3.connect(copy_path)) as copy:
        assert copy.execute("SELECT value FROM kept").fetchall() == [("here",)]


def test_a_new_sqlite_needs_no_copy(tmp_path: Path) -> None:
    fresh = Sqlite().open(f"sqlite:///{tmp_path}/new.db", clock=SystemClock(), relaxed=False)
    assert fresh.check() is None
    assert list(tmp_path.glob("new.before-*")) == []
    asyncio.run(fresh.close())


def test_a_failing_step_leaves_nothing(tmp_path: Path) -> None:
    """All steps are one transaction, also on SQLite, whose driver would commit each statement."""
    path = tmp_path / "half.db"
    with closing(sqlite3.connect(path)) as old, old:
        old.execute("CREATE TABLE audit (made TEXT)")  # the last table of the first step
    with pytest.raises(sa.exc.OperationalError, match="audit"):
        migrate.migrate(f"sqlite:///{path}")
    with closing(sqlite3.connect(path)) as after:
        names = after.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    assert names == [("audit",)]


def test_two_migrations_at_once_take_turns(postgres_server: PostgresServer) -> None:
    url = postgres_server.create("twice")
    taken: list[list[str]] = []
    both = threading.Barrier(2)

    def go() -> None:
        both.wait()
        taken.append(Postgresql().migrate(url))

    threads = [threading.Thread(target=go) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    postgres_server.drop("twice")
    assert sorted(taken) == [[], [migrations.HEAD]]


async def test_a_later_schema_is_refused(database_url: str) -> None:
    engine = make_engine(database_url, pool=1)
    with engine.connect() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    engine.dispose()
    with pytest.raises(migrate.NewerSchema):
        migrate.is_current(database_url)


async def test_postgresql_without_schema_says_what_to_run(postgres_server: PostgresServer) -> None:
    url = postgres_server.create("empty")
    rooms = Postgresql().open(url, clock=SystemClock(), relaxed=False)
    problem = rooms.check()
    await rooms.close()
    postgres_server.drop("empty")
    assert problem is not None
    assert "migrate" in problem


async def test_a_missing_server_is_a_sentence(postgres_server: PostgresServer) -> None:
    url = postgres_server.url("nowhere")
    rooms = Postgresql().open(url, clock=SystemClock(), relaxed=False)
    problem = rooms.check()
    await rooms.close()
    assert problem is not None
    assert "cannot be reached" in problem
