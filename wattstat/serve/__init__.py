"""The processes: `core` talks to devices, `web` shows; `supervisor` keeps both alive."""
