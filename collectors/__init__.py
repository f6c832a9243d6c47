"""Collectors: one file (or folder) a source, and the small frame that runs them."""
