"""Replays of many executions: what is to be replayed, how far it has come, and how a worker takes a turn.

Revision ID: 0005
Revises: 0004
Create Date: 2026-11-25
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

SERVING = "jackfield_app, jackfield_worker"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    create_table()
    isolate()
    create_claim()


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.execute("DROP FUNCTION app.claim_replay(interval)")
    op.drop_table("replays")


def create_table() -> None:
    op.create_table(
        "replays",
        sa.Column("filter", postgresql.JSONB(), nullable=False),
        sa.Column("rate_per_second", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("matched", sa.BigInteger(), nullable=False),
        sa.Column("replayed", sa.BigInteger(), nullable=False),
        sa.Column("skipped", sa.BigInteger(), nullable=False),
        sa.Column("cursor", sa.Uuid(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("(due_at IS NULL) = (status <> 'running')", name=op.f("replays_due_check")),
        sa.CheckConstraint(
            "status IN ('running', 'finished', 'cancelled')", name=op.f("replays_status_check")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("replays_tenant_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("replays_pkey")),
    )
    op.create_index(
        "ix_replays_due_at", "replays", ["due_at"], postgresql_where=sa.text("due_at IS NOT NULL")
    )


def isolate() -> None:
    """As every table of tenants: see 0002."""
    op.execute("ALTER TABLE replays ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE replays FORCE ROW LEVEL SECURITY")
    op.execute("""
        CREATE POLICY tenant ON replays
        USING (tenant_id = (SELECT app.tenant_id())) WITH CHECK (tenant_id = (SELECT app.tenant_id()))
    """)
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON replays TO {SERVING}")
    op.execute("GRANT SELECT ON replays TO jackfield_ro")


def create_claim() -> None:
    """Hands the longest due replay of any tenant to one worker, for one turn. Ids leave, nothing else.

    A replay on which somebody works at this moment is locked, and so passed over however long that takes.
    """
    op.execute("GRANT SELECT (tenant_id, id, due_at, fence) ON replays TO jackfield_definer")
    op.execute("GRANT UPDATE (due_at, fence) ON replays TO jackfield_definer")
    op.execute("CREATE POLICY definer ON replays TO jackfield_definer USING (true) WITH CHECK (true)")
    op.execute("""
        CREATE FUNCTION app.claim_replay(lease interval)
        RETURNS TABLE (tenant_id uuid, id uuid, fence bigint)
        LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = ''
        AS $$
        #variable_conflict use_column
        BEGIN
            RETURN QUERY UPDATE public.replays r SET fence = r.fence + 1, due_at = now() + lease
            FROM (
                SELECT d.tenant_id, d.id FROM public.replays d WHERE d.due_at <= now()
                ORDER BY d.due_at LIMIT 1 FOR UPDATE SKIP LOCKED
            ) due
            WHERE r.tenant_id = due.tenant_id AND r.id = due.id
            RETURNING r.tenant_id, r.id, r.fence;
        END $$
    """)
    op.execute("REVOKE ALL ON FUNCTION app.claim_replay(interval) FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION app.claim_replay(interval) TO jackfield_worker")
    op.execute("GRANT CREATE ON SCHEMA app TO jackfield_definer")
    op.execute("ALTER FUNCTION app.claim_replay(interval) OWNER TO jackfield_definer")
    op.execute("REVOKE CREATE ON SCHEMA app FROM jackfield_definer")
