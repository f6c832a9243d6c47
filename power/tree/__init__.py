"""What carries what: the electrical tree of an inventory, trip curves, the worst case."""
