"""The calls through which people and scripts steer power."""
