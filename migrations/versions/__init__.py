"""Alembic revisions, one file each, in a line: no branches."""
