"""The allocator: who gets how many watts. It proposes; it writes nothing."""
