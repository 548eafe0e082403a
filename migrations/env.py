"""Alembic's entry: writes the SQL of a revision (`as_sql`) to where the runner wants it.

Alembic's online mode needs SQLAlchemy's async engine and with it greenlet; we need neither. The runner executes the SQL
with asyncpg, one revision a transaction.
"""

from __future__ import annotations

from alembic import context

context.configure(
    dialect_name="postgresql", output_buffer=context.config.output_buffer, transactional_ddl=False, as_sql=True
)
context.run_migrations()
