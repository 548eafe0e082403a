"""The independent accountant: compares the client's book, the simulators' journals and Postgres, and nothing else.

    python -m auditor --book client.jsonl --journal simulator.jsonl [--journal …] --dsn postgresql://… [--json]

Owns: reading the three, matching them by destination and nonce, and saying what does not agree. Refuses to import anything
of the service: what it says must not depend on the code that it judges. So it decodes short messages itself, and needs the
standard library and asyncpg only. The books are laid into SQLite tables in a temporary file: a million messages take 100 MB
of memory, and each check is a query that can be read.
"""
