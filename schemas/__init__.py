"""What travels: ids, addresses, sealing, Kafka records, topics, carriers and routes as values.

Owns the meaning and the bytes of everything that crosses a process boundary. Does no I/O, reads no clock
and draws no randomness of its own: callers pass time and entropy in. Imports no other room.
"""
