"""The store suite on SQLite and PostgreSQL."""

from __future__ import annotations

from core.testing.store_suite import StoreSuite


class TestSqlStore(StoreSuite):
    """Both stores, by the parameter of database_url."""
