"""Rules and findings evaluated as Prometheus 2.42 evaluates rules: what holds, since when, and what is told of it."""
