"""What every test shares: property tests judge answers, never the speed of a busy machine; and
databases, made once and copied for each test that asks for one.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import settings

from core.testing.postgres import NoPostgres, PostgresServer
from plugins.sql.plugin import Postgresql, Sqlite

pytest.register_assert_rewrite("core.testing.store_suite", "core.testing.writer_suite")

settings.register_profile("frontdesk", deadline=None, print_blob=True)
settings.load_profile("frontdesk")

_numbers = count(1)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL for the whole run. Missing, it fails the run in CI and skips elsewhere."""
    try:
        server = PostgresServer()
    except NoPostgres as missing:
        if os.environ.get("CI") == "true":
            pytest.fail(str(missing))
        pytest.skip(str(missing))
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def postgres_template(postgres_server: PostgresServer) -> str:
    """The name of a migrated, empty database."""
    url = postgres_server.create("frontdesk_template")
    Postgresql().migrate(url)
    return "frontdesk_template"


@pytest.fixture
def postgres_url(postgres_server: PostgresServer, postgres_template: str) -> Iterator[str]:
    """A migrated PostgreSQL database of the test's own."""
    name = f"frontdesk_{next(_numbers)}"
    yield postgres_server.create(name, template=postgres_template)
    postgres_server.drop(name)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty SQLite file."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    Sqlite().migrate(f"sqlite:///{path}")
    return path


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """A migrated SQLite file of the test's own."""
    path = tmp_path / "frontdesk.db"
    shutil.copyfile(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A migrated database: the test runs on both stores."""
    name = "sqlite_url" if request.param == "sqlite" else "postgres_url"
    url: str = request.getfixturevalue(name)
    return url
