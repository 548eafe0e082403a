"""An SMSC with the faults that a real one shows: seeded, journaled, told what to do by a scenario and a control plane.

Owns: accounts with their limits, outcomes of submits, receipts and MO and their delivery, faults, the journal, the
counters that tests and benchmarks read. Refuses: Kafka, Postgres, carriers.toml and everything else of the service under
test; what it says of a run must not depend on the code that the run tests. Only the protocol core (`smpp`) is shared.

`smsc.py` holds it together and is free of sockets, so that tests run it in virtual time; `server.py` adds the sockets.
"""
