"""Where the dashboards come from: `python -m grafana.source` writes them, `--check` says which are stale."""
