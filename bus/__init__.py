"""Kafka: publisher, reader, group membership with lanes, pinned offset commits, topics, the reference snapshot, and an
in-memory twin that passes the same contract suite. Knows bytes, topics and offsets; not what a record means, save where
`snapshot` keeps the reference records for everyone."""
