"""The books on disk: tables, migrations, commits that are whole or absent, thinning."""
