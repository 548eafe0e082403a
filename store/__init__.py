"""Postgres: the pool, named queries (`queries/*.sql`), the batch writer of the projection, the read side. Knows rows and
SQL; takes no decision and knows no Kafka."""
