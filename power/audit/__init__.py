"""The audit trail: append-only, hash-chained, written before the act, replayable."""
