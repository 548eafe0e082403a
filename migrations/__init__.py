"""The schema of Postgres and its changes: alembic revisions in raw SQL (`versions/`), and what applies them (`runner`).

Every revision's file is `NNNN_pre_*.py` or `NNNN_post_*.py`. A *pre* revision runs before the release that needs it is
deployed, and the release before must work with it: it adds. A *post* revision runs when no process of the release before
is left: it takes away. Daily partitions are not made here: the recorder makes and drops them (store.partitions).
"""
