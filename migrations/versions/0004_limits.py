"""Limits: of handlers and tenants; the buckets and counters that processes share.

Revision ID: 0004
Revises: 0003
Create Date: 2026-11-25
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TABLES = ("rate_buckets", "usage_counters")
SERVING = "jackfield_app, jackfield_worker"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    add_settings()
    create_buckets()
    create_counters()
    for table in TABLES:
        isolate(table)
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {SERVING}")
        op.execute(f"GRANT SELECT ON {table} TO jackfield_ro")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    for table in reversed(TABLES):
        op.drop_table(table)
    op.drop_column("handlers", "allowed_cidrs")
    op.drop_column("handlers", "rate_limit")
    op.drop_column("tenants", "limits")


def add_settings() -> None:
    """Nullable and without a default: no row is rewritten. The triggers of 0002 announce their changes."""
    op.add_column("tenants", sa.Column("limits", postgresql.JSONB(none_as_null=True), nullable=True))
    op.add_column("handlers", sa.Column("rate_limit", postgresql.JSONB(none_as_null=True), nullable=True))
    op.add_column("handlers", sa.Column("allowed_cidrs", postgresql.ARRAY(sa.Text()), nullable=True))


def create_buckets() -> None:
    """Unlogged: what a crash of PostgreSQL loses is at most one burst of each bucket.

    Its rows change all the time and no index covers what changes: room on each page keeps the changes there.
    """
    op.create_table(
        "rate_buckets",
        sa.Column("full_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("granted", sa.BigInteger(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("rate_buckets_tenant_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("rate_buckets_pkey")),
        prefixes=["UNLOGGED"],
        postgresql_with={"fillfactor": 50},
    )


def create_counters() -> None:
    op.create_table(
        "usage_counters",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("metric", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("used", sa.BigInteger(), nullable=False),
        sa.Column("is_near", sa.Boolean(), nullable=False),
        sa.Column("is_exceeded", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("usage_counters_tenant_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "metric", "day", name=op.f("usage_counters_pkey")),
        postgresql_with={"fillfactor": 50},
    )


def isolate(table: str) -> None:
    """As every table of tenants: see 0002."""
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.execute(f"""
        CREATE POLICY tenant ON {table}
        USING (tenant_id = (SELECT app.tenant_id())) WITH CHECK (tenant_id = (SELECT app.tenant_id()))
    """)
