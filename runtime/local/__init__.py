"""Local servers and processes: a real Postgres, a real Kafka and a supervisor, for `make demo`, `make run` and the tests.

Owns everything below `.local/`: jars, data directories, logs, and the life of the processes that use them. It refuses to
know roles, topics, tables or carriers, reads no environment variable (it is handed a mapping), and is used by no role:
in production Kafka and Postgres are somebody else's, given by `SMPPD_KAFKA_BOOTSTRAP` and `SMPPD_POSTGRES_DSN`.
Linux only: that no process outlives a killed supervisor rests on PR_SET_PDEATHSIG.
"""
