"""What alembic runs: one transaction, begun and ended by plugins.sql.migrate."""

from collections.abc import Collection, Mapping
from typing import Any

from alembic import context
from alembic.runtime.migration import MigrationContext, MigrationInfo

_given = context.config.attributes
_steps: list[str] = _given["steps"]


def _note(
    ctx: MigrationContext,  # noqa: ARG001 - alembic passes all four by name
    step: MigrationInfo,
    heads: Collection[Any],  # noqa: ARG001
    run_args: Mapping[str, Any],  # noqa: ARG001
) -> None:
    _steps.extend(step.up_revision_ids)


context.configure(
    connection=_given["connection"],
    # SQLite's driver would commit behind each statement; the transaction is ours on both stores.
    transactional_ddl=False,
    on_version_apply=_note,
)
context.run_migrations()
