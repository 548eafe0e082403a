"""The role `api`: messages come in by HTTP, are checked, sealed and routed, and are in Kafka when we answer 202.

Owns the HTTP surface: authentication, the shapes of bodies and answers, idempotency, problems (RFC 9457), documentation.
Answers questions from the read side. Keeps no state that a restart would miss, sends nothing to a carrier, and takes no
decision about a message after its acceptance.
"""
