"""Steps of the schema, run by plugins.sql.migrate. A step is never changed once it was released."""

HEAD = "0001"
"""The last step, here so that a start need not import alembic to know it (a test compares)."""
