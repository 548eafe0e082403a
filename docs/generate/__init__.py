"""Reference pages from the one definition of each thing: `python -m docs.generate`. tests/architecture fails when a page differs.

Each module makes pages as text; `pages` lists them; nothing here reads the environment or the network.
"""
