"""What providers know a tenant as.

Revision ID: 0011
Revises: 0010
Create Date: 2026-11-26
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

SERVING = "jackfield_app, jackfield_worker"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.create_table(
        "oauth_clients",
        sa.Column("connector", sa.Text(), nullable=False),
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("scopes", postgresql.ARRAY(sa.Text()), nullable=True),
        sa.Column("generation", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint(
            "octet_length(sealed) >= 74 AND get_byte(sealed, 0) = 1", name=op.f("oauth_clients_sealed_check")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("oauth_clients_tenant_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("oauth_clients_pkey")),
        sa.UniqueConstraint("tenant_id", "connector", name=op.f("oauth_clients_tenant_id_connector_key")),
    )
    isolate()


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.drop_table("oauth_clients")


def isolate() -> None:
    """As every table of tenants: see 0002."""
    op.execute("ALTER TABLE oauth_clients ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE oauth_clients FORCE ROW LEVEL SECURITY")
    op.execute("""
        CREATE POLICY tenant ON oauth_clients
        USING (tenant_id = (SELECT app.tenant_id())) WITH CHECK (tenant_id = (SELECT app.tenant_id()))
    """)
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON oauth_clients TO {SERVING}")
    op.execute("GRANT SELECT ON oauth_clients TO jackfield_ro")
