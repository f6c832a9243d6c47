"""How right alerts are: halls in fast time, recorded as collectors would see them, watched by all rules and findings."""
