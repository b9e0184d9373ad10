"""The writer's suite on SQLite and PostgreSQL."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager

import psycopg
import pytest
import sqlalchemy as sa

from core.testing.writer_suite import WriterSuite


@contextmanager
def _locked_file(path: str) -> Iterator[None]:
    """Another program holds SQLite's file."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


@contextmanager
def _held_counter(url: str) -> Iterator[None]:
    """Another process holds the counter row and does not let go."""
    with psycopg.connect(url) as other:
        other.execute("SELECT seq FROM counter WHERE id = 1 FOR UPDATE")
        yield
        other.rollback()


@pytest.fixture
def blocked(database_url: str) -> Callable[[], AbstractContextManager[None]]:
    """Locks the store for as long as the context lasts."""
    if database_url.startswith("sqlite"):
        return lambda: _locked_file(sa.make_url(database_url).database or "")
    return lambda: _held_counter(database_url)


class TestWriter(WriterSuite):
    """Both stores, by the parameter of database_url."""
