"""The protocol SMPP 3.4: `core` (sans-IO: bytes and `now` in, events and bytes out), texts, receipts, the asyncio
client and server around the core. Knows no Kafka, no carrier by name, none of our records."""
