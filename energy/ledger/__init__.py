"""The ledger itself: what comes in is settled node by node, each joule to a run, to idle or to overhead."""
