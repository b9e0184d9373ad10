"""Failpoints: by count, by flag, and nothing at all when none is armed."""

from __future__ import annotations

from pathlib import Path

import pytest

from core import failpoints
from core.failpoints import hit, read_spec


@pytest.fixture
def armed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    flag = tmp_path / "flag"
    spec = read_spec(f"second=raise@2, flagged=raise@{flag},first=raise")
    monkeypatch.setattr(failpoints, "ARMED", spec)
    monkeypatch.setattr(failpoints, "_hits", {})
    return flag


def test_nothing_happens_where_nothing_is_armed(armed: Path) -> None:  # noqa: ARG001
    hit("elsewhere")


def test_it_happens_at_the_counted_hit_only(armed: Path) -> None:  # noqa: ARG001
    hit("second")
    with pytest.raises(OSError, match="second"):
        hit("second")
    hit("second")
    with pytest.raises(OSError, match="first"):
        hit("first")


def test_it_happens_once_when_the_flag_is_there(armed: Path) -> None:
    hit("flagged")
    armed.touch()
    with pytest.raises(OSError, match="flagged"):
        hit("flagged")
    assert not armed.exists()
    hit("flagged")
