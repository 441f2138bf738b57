"""Schedules of syncs: what is synced when, how the last run ended, and how a worker takes the next one.

Revision ID: 0009
Revises: 0008
Create Date: 2026-11-26
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
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
    op.execute("DROP FUNCTION app.claim_sync_schedule(interval)")
    op.drop_table("sync_schedules")


def create_table() -> None:
    op.create_table(
        "sync_schedules",
        sa.Column("request", postgresql.JSONB(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("interval_seconds", sa.BigInteger(), nullable=False),
        sa.Column("apply", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("leased_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("last_run_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_outcome", sa.Text(), nullable=True),
        sa.Column("last_error", postgresql.JSONB(none_as_null=True), nullable=True),
        sa.Column("consecutive_failures", sa.BigInteger(), nullable=False),
        sa.Column("held", postgresql.JSONB(), nullable=False),
        sa.Column("integration_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        *constraints(),
    )
    op.create_index(
        "ix_sync_schedules_due_at",
        "sync_schedules",
        ["due_at"],
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_index(
        "ix_sync_schedules_leased",
        "sync_schedules",
        ["tenant_id"],
        postgresql_where=sa.text("leased_until IS NOT NULL"),
    )


def constraints() -> list[sa.Constraint]:
    return [
        sa.CheckConstraint("(due_at IS NOT NULL) = enabled", name=op.f("sync_schedules_due_check")),
        sa.CheckConstraint("apply IN ('additive', 'all', 'none')", name=op.f("sync_schedules_apply_check")),
        sa.CheckConstraint(
            "last_outcome IN ('applied', 'unchanged', 'held', 'failed')",
            name=op.f("sync_schedules_last_outcome_check"),
        ),
        sa.CheckConstraint(
            "octet_length(sealed) >= 74 AND get_byte(sealed, 0) = 1", name=op.f("sync_schedules_sealed_check")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "integration_id"],
            ["integrations.tenant_id", "integrations.id"],
            name=op.f("sync_schedules_tenant_id_integration_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("sync_schedules_tenant_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("sync_schedules_pkey")),
        sa.UniqueConstraint(
            "tenant_id", "integration_id", name=op.f("sync_schedules_tenant_id_integration_id_key")
        ),
    ]


def isolate() -> None:
    """As every table of tenants: see 0002."""
    op.execute("ALTER TABLE sync_schedules ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE sync_schedules FORCE ROW LEVEL SECURITY")
    op.execute("""
        CREATE POLICY tenant ON sync_schedules
        USING (tenant_id = (SELECT app.tenant_id())) WITH CHECK (tenant_id = (SELECT app.tenant_id()))
    """)
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON sync_schedules TO {SERVING}")
    op.execute("GRANT SELECT ON sync_schedules TO jackfield_ro")


def create_claim() -> None:
    """Hands the schedule that is due longest to one worker, whoever's it is. Ids leave, nothing else.

    A tenant of whose schedules one is running waits for its end: a thousand upstreams of one tenant that
    hang cost the others one of the runs that there are at a time.
    """
    seen = "tenant_id, id, due_at, leased_until, fence"
    op.execute(f"GRANT SELECT ({seen}) ON sync_schedules TO jackfield_definer")
    op.execute("GRANT UPDATE (leased_until, fence) ON sync_schedules TO jackfield_definer")
    op.execute("CREATE POLICY definer ON sync_schedules TO jackfield_definer USING (true) WITH CHECK (true)")
    op.execute("""
        CREATE FUNCTION app.claim_sync_schedule(lease interval)
        RETURNS TABLE (tenant_id uuid, id uuid, fence bigint)
        LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = ''
        AS $$
        #variable_conflict use_column
        BEGIN
            RETURN QUERY UPDATE public.sync_schedules s SET fence = s.fence + 1, leased_until = now() + lease
            FROM (
                SELECT d.tenant_id, d.id FROM public.sync_schedules d
                WHERE d.due_at <= now() AND (d.leased_until IS NULL OR d.leased_until <= now())
                    AND NOT EXISTS (
                        SELECT FROM public.sync_schedules o
                        WHERE o.tenant_id = d.tenant_id AND o.leased_until > now()
                    )
                ORDER BY d.due_at LIMIT 1 FOR UPDATE OF d SKIP LOCKED
            ) due
            WHERE s.tenant_id = due.tenant_id AND s.id = due.id
            RETURNING s.tenant_id, s.id, s.fence;
        END $$
    """)
    op.execute("REVOKE ALL ON FUNCTION app.claim_sync_schedule(interval) FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION app.claim_sync_schedule(interval) TO jackfield_worker")
    op.execute("GRANT CREATE ON SCHEMA app TO jackfield_definer")
    op.execute("ALTER FUNCTION app.claim_sync_schedule(interval) OWNER TO jackfield_definer")
    op.execute("REVOKE CREATE ON SCHEMA app FROM jackfield_definer")
