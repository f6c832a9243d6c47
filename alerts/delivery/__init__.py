"""Who is told of what, when and how often: routes, groups, silences, inhibition, and messages that survive a kill."""
