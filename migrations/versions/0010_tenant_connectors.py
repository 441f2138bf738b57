"""Connectors that tenants made, or have otherwise than the catalogue.

Revision ID: 0010
Revises: 0009
Create Date: 2026-11-26
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

SERVING = "jackfield_app, jackfield_worker"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.create_table(
        "tenant_connectors",
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("record", postgresql.JSONB(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("tenant_connectors_tenant_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("tenant_connectors_pkey")),
        sa.UniqueConstraint("tenant_id", "slug", name=op.f("tenant_connectors_tenant_id_slug_key")),
    )
    isolate()


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.drop_table("tenant_connectors")


def isolate() -> None:
    """As every table of tenants: see 0002."""
    op.execute("ALTER TABLE tenant_connectors ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE tenant_connectors FORCE ROW LEVEL SECURITY")
    op.execute("""
        CREATE POLICY tenant ON tenant_connectors
        USING (tenant_id = (SELECT app.tenant_id())) WITH CHECK (tenant_id = (SELECT app.tenant_id()))
    """)
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON tenant_connectors TO {SERVING}")
    op.execute("GRANT SELECT ON tenant_connectors TO jackfield_ro")
