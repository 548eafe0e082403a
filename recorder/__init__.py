"""The recorder: projects Kafka into Postgres in bulk, correlates receipts, keeps the lists that people ask for.

It owns the tables of the projection and is their only writer. Its positions live in Postgres, moved in the transaction of
the rows, so that the projection is exactly-once whatever crashes (DESIGN §8). It decides nothing about a message: that
is policy.status, and it sends nothing to a carrier.
"""
