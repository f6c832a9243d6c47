"""The public HTTP API of the web process."""
