"""A whole installation on one machine: `smpp-dispatch dev`, `make run` and `make demo`.

Owns: the folder of an installation (ports, keys, env file, carriers.toml), the processes and their order, and the demo's
story. Refuses to import a role: everything runs as its own process through the same command line that an operator has, so
what works here works there. Tests start their clusters with the same pieces (tests/scenario/cluster.py).
"""
