"""The first tables of the ledger."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "checkpoints",
        sa.Column("node", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("settled_until", sa.Double(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("node", name=op.f("checkpoints_key")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "meter_days",
        sa.Column("day", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("node", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("measured_joules", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("error_joules", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("hole_seconds", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "source", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), server_default=sa.text("''"), nullable=False
        ),
        sa.PrimaryKeyConstraint("day", "node", name=op.f("meter_days_key")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "meter_hours",
        sa.Column("hour", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("node", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("measured_joules", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("error_joules", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("hole_seconds", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "source", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), server_default=sa.text("''"), nullable=False
        ),
        sa.PrimaryKeyConstraint("hour", "node", name=op.f("meter_hours_key")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "node_days",
        sa.Column("day", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("node", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("posted_to", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("gpu_joules", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("cpu_joules", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("rest_joules", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("idle_joules", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("error_joules", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("estimated_joules", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("gpu_seconds", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("cost", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("priced_joules", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("location_grams", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("location_joules", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("market_grams", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("market_joules", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("methods", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("day", "node", "posted_to", name=op.f("node_days_key")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "postings",
        sa.Column("hour", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("node", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("posted_to", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("run_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("gpu_joules", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("cpu_joules", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("rest_joules", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("idle_joules", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("error_joules", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("estimated_joules", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("gpu_seconds", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("cost", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("priced_joules", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("location_grams", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("location_joules", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("market_grams", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("market_joules", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("methods", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("hour", "node", "posted_to", "run_id", name=op.f("postings_key")),
        sqlite_with_rowid=False,
    )
    op.create_index("postings_by_run", "postings", ["run_id", "hour"], unique=False)
    op.create_table(
        "runs",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("scheduler", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("job_id", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("instance", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column(
            "name", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), server_default=sa.text("''"), nullable=False
        ),
        sa.Column(
            "user_name",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            server_default=sa.text("''"),
            nullable=False,
        ),
        sa.Column(
            "account",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            server_default=sa.text("''"),
            nullable=False,
        ),
        sa.Column(
            "partition",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            server_default=sa.text("''"),
            nullable=False,
        ),
        sa.Column(
            "qos", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), server_default=sa.text("''"), nullable=False
        ),
        sa.Column(
            "state", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), server_default=sa.text("''"), nullable=False
        ),
        sa.Column("submitted", sa.Double(), nullable=True),
        sa.Column("started", sa.Double(), nullable=False),
        sa.Column("ended", sa.Double(), nullable=True),
        sa.Column("reach", sa.Integer(), nullable=False),
        sa.Column("gpus", sa.Integer(), nullable=False),
        sa.Column("closed", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("first_hour", sa.BigInteger(), nullable=True),
        sa.Column("last_hour", sa.BigInteger(), nullable=True),
        sa.Column("energy_joules", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("gpu_joules", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("cpu_joules", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("rest_joules", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("idle_joules", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("error_joules", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("estimated_joules", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("gpu_seconds", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("cost", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("priced_joules", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("location_grams", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("location_joules", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("market_grams", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("market_joules", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("methods", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("held_seconds", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("held_idle_seconds", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("held_joules", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("sm_active_seconds", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("sm_active_seconds_known", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("busy_seconds", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("busy_seconds_known", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("tensor_active_seconds", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("tensor_active_seconds_known", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("capped_seconds", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("capped_seconds_known", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("memory_peak_ratio", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("runs_key")),
    )
    op.create_index("runs_by_account", "runs", ["account", "started"], unique=False)
    op.create_index("runs_by_end", "runs", ["ended"], unique=False)
    op.create_index("runs_by_energy", "runs", ["energy_joules"], unique=False)
    op.create_index("runs_by_hours", "runs", ["first_hour", "last_hour", "energy_joules"], unique=False)
    op.create_index("runs_by_key", "runs", ["job_id", "scheduler", "instance"], unique=True)
    op.create_index("runs_by_partition", "runs", ["partition", "started"], unique=False)
    op.create_index("runs_by_reach", "runs", ["reach", "started"], unique=False)
    op.create_index("runs_by_start", "runs", ["started", "energy_joules"], unique=False)
    op.create_index("runs_by_state", "runs", ["state", "started"], unique=False)
    op.create_index("runs_by_user", "runs", ["user_name", "started"], unique=False)
    op.create_index(
        "runs_not_closed",
        "runs",
        ["id"],
        unique=False,
        sqlite_where=sa.text("closed = 0"),
        postgresql_where=sa.text("closed = 0"),
    )
    op.create_table(
        "site_hours",
        sa.Column("hour", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("posted_to", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("begun", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("gpu_joules", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("cpu_joules", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("rest_joules", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("idle_joules", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("error_joules", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("estimated_joules", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("gpu_seconds", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("cost", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("priced_joules", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("location_grams", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("location_joules", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("market_grams", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("market_joules", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("methods", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("hour", "posted_to", name=op.f("site_hours_key")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "site_meter_hours",
        sa.Column("hour", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("measured_joules", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("error_joules", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("hole_seconds", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("hour", name=op.f("site_meter_hours_key")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "thinned",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("thinned_key")),
    )
    op.create_table(
        "usage_days",
        sa.Column("day", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("posted_to", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("user_name", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("account", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("partition", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("begun", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("gpu_joules", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("cpu_joules", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("rest_joules", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("idle_joules", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("error_joules", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("estimated_joules", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("gpu_seconds", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("cost", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("priced_joules", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("location_grams", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("location_joules", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("market_grams", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("market_joules", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("methods", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("day", "posted_to", "user_name", "account", "partition", name=op.f("usage_days_key")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "usage_hours",
        sa.Column("hour", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("posted_to", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("user_name", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("account", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("partition", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("begun", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("gpu_joules", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("cpu_joules", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("rest_joules", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("idle_joules", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("error_joules", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("estimated_joules", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("gpu_seconds", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("cost", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("priced_joules", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("location_grams", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("location_joules", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("market_grams", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("market_joules", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("methods", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("hour", "posted_to", "user_name", "account", "partition", name=op.f("usage_hours_key")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "gpu_uses",
        sa.Column("run_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("node", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("uuid", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("instance", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("gpu", sa.Integer(), nullable=False),
        sa.Column(
            "model", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), server_default=sa.text("''"), nullable=False
        ),
        sa.Column("fraction", sa.Double(), nullable=False),
        sa.Column("joules", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("idle_joules", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("seconds", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("idle_seconds", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("sm_active_seconds", sa.Double(), nullable=True),
        sa.Column("busy_seconds", sa.Double(), nullable=True),
        sa.Column("tensor_active_seconds", sa.Double(), nullable=True),
        sa.Column("capped_seconds", sa.Double(), nullable=True),
        sa.Column("sm_active_seconds_known", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("busy_seconds_known", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("tensor_active_seconds_known", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("capped_seconds_known", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("memory_peak_bytes", sa.Double(), nullable=True),
        sa.Column("memory_total_bytes", sa.Double(), nullable=True),
        sa.Column("limit_watts", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("gpu_uses_run_id")),
        sa.PrimaryKeyConstraint("run_id", "node", "uuid", "instance", name=op.f("gpu_uses_key")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "run_days",
        sa.Column("run_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("day", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("gpu_joules", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("cpu_joules", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("rest_joules", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("idle_joules", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("error_joules", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("estimated_joules", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("gpu_seconds", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("cost", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("priced_joules", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("location_grams", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("location_joules", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("market_grams", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("market_joules", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("methods", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("run_days_run_id")),
        sa.PrimaryKeyConstraint("run_id", "day", name=op.f("run_days_key")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "run_details",
        sa.Column("run_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("run_details_run_id")),
        sa.PrimaryKeyConstraint("run_id", name=op.f("run_details_key")),
    )
    op.create_table(
        "run_nodes",
        sa.Column("run_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("node", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("started", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("run_nodes_run_id")),
        sa.PrimaryKeyConstraint("run_id", "node", name=op.f("run_nodes_key")),
        sqlite_with_rowid=False,
    )
    op.create_index("run_nodes_by_node", "run_nodes", ["node", "started"], unique=False)
