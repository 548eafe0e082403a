"""Drills: faults under traffic, each followed by an audit of four books that knows nothing of the service.

python -m tests.drill [--seed 7] [--fault NAME,NAME] [--list] [--long]
"""
