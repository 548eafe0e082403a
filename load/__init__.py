"""The load tool: a client that sends as fast as asked, keeps a book of what it was told, and measures what comes out.

Owns: making messages, the HTTP client's side (keep-alive, retries under one Idempotency-Key), the client's book, the figures
and their report. Refuses: everything that only the service can know. It imports no role, store or bus: it sees what any
client sees (HTTP), and what an operator may show it (the simulators' counters, /metrics, the auditors' view).
"""
