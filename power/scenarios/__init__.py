"""Rehearsals: a hall in columns, faults, an oracle that trusts nobody, and the peers' algorithms beside ours."""
