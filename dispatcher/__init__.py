"""The role that owns lanes: takes partitions, paces, submits, publishes outcomes and receipts.

`lane` decides (bytes, records and `now` in; writes, commits and outcomes out), `ledger` remembers what may have been
sent, the rest is the shell that connects them to Kafka and to the carrier. DESIGN §4 and §5 are its specification,
`tests/property/dispatcher` crashes it at every step.
"""
