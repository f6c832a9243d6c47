"""The ledger: every joule that a node's meter counted, posted once, to a job, to idle or to overhead."""
