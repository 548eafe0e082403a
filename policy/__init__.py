"""Pure decisions: routing, the gate before every submit, what a carrier's answer means, message and receipt state.

Values in, values out: no clock, no randomness, no I/O. Everything a decision needs is passed to it.
"""
