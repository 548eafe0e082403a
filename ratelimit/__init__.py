"""How fast a lane may send: shares of a contract, a paced bucket that no sliding second exceeds, a rate that gives way to
throttling and comes back. Pure: `now` (monotonic seconds) is passed in. Counted in segments."""
