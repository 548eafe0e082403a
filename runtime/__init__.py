"""Process plumbing: settings, clock, lifecycle, metrics, logs, health. Knows no carrier, topic or table."""
