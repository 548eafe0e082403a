"""The role that takes care of what is due later: scheduled sends, retries, held and deferred messages, waits for evidence.

The recorder keeps the list of what is due (`due_messages`); this role decides what becomes of each (policy.release), fixes that
in one transaction (`releases`), publishes it to the lanes, and forgets it when the projection knows of it. It sends nothing to
a carrier. Several may run: rows are claimed with `skip locked`, and what a scheduler that is gone had fixed is inherited.

Nothing is doubled: a release is a turn of its own (attempt + 1 or hop + 1), the same one is published again only when the
recorder has passed everything that was in Kafka and has not seen it, and a produce that came late all the same is dropped by
the lane, which remembers the turn. Nothing is lost: a row leaves `due_messages` only into `releases`. After a rebuild of the
projection both tables follow from Kafka: what was released is no longer due.
"""
