"""Isolate the tenants: row-level security, grants, definer functions, append-only audit log.

Revision ID: 0002
Revises: 0001
Create Date: 2026-11-22
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

READ_WRITE = (
    "tenant_keys",
    "integrations",
    "access_tokens",
    "credentials",
    "secrets",
    "handlers",
    "openapi_documents",
    "executions",
    "attempts",
    "dedup_keys",
    "rejected_requests",
    "idempotency_keys",
)
APPEND_ONLY = ("audit_logs", "events")
TENANT_TABLES = READ_WRITE + APPEND_ONLY
DIRECTORY = ("tenants", "system_keys")
"""Not a tenant's: who the tenants are, and the installation's own wrapped keys."""

ROUTE_TABLES = {"tenants": "id", "integrations": "tenant_id", "handlers": "tenant_id", "secrets": "tenant_id"}
"""What a cached webhook route is made of, and the column that names the tenant."""

SERVING = "jackfield_app, jackfield_worker"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    create_tenant_id()
    for table in TENANT_TABLES:
        isolate(table)
    grant()
    make_append_only()
    create_token_lookup()
    create_claim()
    create_purge()
    announce_routes()


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    for table in ROUTE_TABLES:
        op.execute(f"DROP TRIGGER announce_route ON {table}")
    op.execute("DROP TRIGGER append_only ON audit_logs")
    op.execute("DROP TRIGGER never_truncated ON audit_logs")
    for table in ("access_tokens", "executions", "rejected_requests", "idempotency_keys"):
        op.execute(f"DROP POLICY definer ON {table}")
        op.execute(f"REVOKE ALL ON {table} FROM jackfield_definer")
    for table in TENANT_TABLES:
        op.execute(f"DROP POLICY tenant ON {table}")
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
    for table in TENANT_TABLES + DIRECTORY:
        op.execute(f"REVOKE ALL ON {table} FROM {SERVING}, jackfield_ro")
    op.execute("DROP FUNCTION app.find_access_token(bytea)")
    op.execute("DROP FUNCTION app.claim_executions(integer, interval)")
    op.execute("DROP FUNCTION app.renew_claims(uuid[], uuid[], bigint[], interval)")
    op.execute("DROP FUNCTION app.purge_expired()")
    op.execute("DROP FUNCTION app.announce_route()")
    op.execute("DROP FUNCTION app.refuse_change()")
    op.execute("DROP FUNCTION app.tenant_id()")
    op.execute("DROP SCHEMA app")


def create_tenant_id() -> None:
    """After a transaction the setting reads ``''``, not NULL; a bare cast of that fails: hence ``nullif``."""
    op.execute("CREATE SCHEMA IF NOT EXISTS app")
    op.execute(f"GRANT USAGE ON SCHEMA app TO {SERVING}, jackfield_definer, jackfield_ro")
    op.execute("""
        CREATE FUNCTION app.tenant_id() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE SET search_path = ''
        AS $$ SELECT nullif(pg_catalog.current_setting('app.tenant_id', true), '')::pg_catalog.uuid $$
    """)


def isolate(table: str) -> None:
    """FORCE binds the owner too. The sub-select is run once per statement, not once per row."""
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.execute(f"""
        CREATE POLICY tenant ON {table}
        USING (tenant_id = (SELECT app.tenant_id())) WITH CHECK (tenant_id = (SELECT app.tenant_id()))
    """)


def grant() -> None:
    for table in READ_WRITE:
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {SERVING}")
    for table in APPEND_ONLY:
        op.execute(f"GRANT SELECT, INSERT ON {table} TO {SERVING}")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON tenants TO jackfield_app")
    op.execute("GRANT SELECT ON tenants TO jackfield_worker")
    op.execute(f"GRANT SELECT, INSERT ON system_keys TO {SERVING}")
    op.execute(f"GRANT SELECT ON alembic_version TO {SERVING}")
    for table in (*TENANT_TABLES, "tenants"):
        op.execute(f"GRANT SELECT ON {table} TO jackfield_ro")


def make_append_only() -> None:
    """ALWAYS, so that ``session_replication_role = replica`` does not switch it off."""
    op.execute("""
        CREATE FUNCTION app.refuse_change() RETURNS trigger LANGUAGE plpgsql SET search_path = ''
        AS $$ BEGIN
            RAISE EXCEPTION 'the audit log is append-only' USING ERRCODE = 'insufficient_privilege';
        END $$
    """)
    op.execute("""
        CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON audit_logs
        FOR EACH ROW EXECUTE FUNCTION app.refuse_change()
    """)
    op.execute("""
        CREATE TRIGGER never_truncated BEFORE TRUNCATE ON audit_logs
        FOR EACH STATEMENT EXECUTE FUNCTION app.refuse_change()
    """)
    op.execute("ALTER TABLE audit_logs ENABLE ALWAYS TRIGGER append_only")
    op.execute("ALTER TABLE audit_logs ENABLE ALWAYS TRIGGER never_truncated")


def create_token_lookup() -> None:
    """A token names its tenant, so it is looked up before the tenant is known. Ids only leave."""
    let_definer("access_tokens", "SELECT (tenant_id, id, hash)")
    define(
        "app.find_access_token(wanted bytea) RETURNS TABLE (tenant_id uuid, id uuid) STABLE",
        "SELECT t.tenant_id, t.id FROM public.access_tokens t WHERE t.hash = wanted",
        signature="app.find_access_token(bytea)",
        callers="jackfield_app",
    )


def create_claim() -> None:
    """Takes due executions, of any tenant, for one worker. Ids and the fence leave, never a payload."""
    let_definer(
        "executions",
        "SELECT (tenant_id, id, due_at, fence, status)",
        "UPDATE (due_at, fence, status)",
    )
    define(
        "app.claim_executions(most integer, lease interval)"
        " RETURNS TABLE (tenant_id uuid, id uuid, fence bigint) VOLATILE",
        """
        UPDATE public.executions e
        SET status = 'running', fence = e.fence + 1, due_at = pg_catalog.now() + lease
        FROM (
            SELECT c.tenant_id, c.id FROM public.executions c WHERE c.due_at <= pg_catalog.now()
            ORDER BY c.due_at LIMIT most FOR UPDATE SKIP LOCKED
        ) due
        WHERE e.tenant_id = due.tenant_id AND e.id = due.id
        RETURNING e.tenant_id, e.id, e.fence
        """,
        signature="app.claim_executions(integer, interval)",
        callers="jackfield_worker",
    )
    define(
        "app.renew_claims(tenants uuid[], ids uuid[], fences bigint[], lease interval) RETURNS void VOLATILE",
        """
        UPDATE public.executions e SET due_at = pg_catalog.now() + lease
        FROM unnest(tenants, ids, fences) AS mine (tenant_id, id, fence)
        WHERE e.tenant_id = mine.tenant_id AND e.id = mine.id AND e.fence = mine.fence
            AND e.status = 'running'
        """,
        signature="app.renew_claims(uuid[], uuid[], bigint[], interval)",
        callers="jackfield_worker",
    )


def create_purge() -> None:
    """Drops what is kept for a time only: refused requests 72 hours, idempotent answers 24 hours."""
    let_definer("rejected_requests", "SELECT (created_at)", "DELETE")
    let_definer("idempotency_keys", "SELECT (created_at)", "DELETE")
    define(
        "app.purge_expired() RETURNS void VOLATILE",
        """
        DELETE FROM public.rejected_requests WHERE created_at < pg_catalog.now() - interval '72 hours';
        DELETE FROM public.idempotency_keys WHERE created_at < pg_catalog.now() - interval '24 hours';
        """,
        signature="app.purge_expired()",
        callers="jackfield_worker",
    )


def let_definer(table: str, *privileges: str) -> None:
    """What a definer function needs of other tenants' rows, by column, and not one column more."""
    for privilege in privileges:
        op.execute(f"GRANT {privilege} ON {table} TO jackfield_definer")
    op.execute(f"CREATE POLICY definer ON {table} TO jackfield_definer USING (true) WITH CHECK (true)")


def define(declaration: str, body: str, *, signature: str, callers: str) -> None:
    op.execute(
        f"CREATE FUNCTION {declaration} LANGUAGE sql SECURITY DEFINER SET search_path = '' AS $${body}$$"
    )
    op.execute(f"REVOKE ALL ON FUNCTION {signature} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {signature} TO {callers}")
    op.execute("GRANT CREATE ON SCHEMA app TO jackfield_definer")
    op.execute(f"ALTER FUNCTION {signature} OWNER TO jackfield_definer")
    op.execute("REVOKE CREATE ON SCHEMA app FROM jackfield_definer")


def announce_routes() -> None:
    """Whoever caches webhook routes listens. These writes are rare: their NOTIFY costs ingest nothing."""
    op.execute("""
        CREATE FUNCTION app.announce_route() RETURNS trigger LANGUAGE plpgsql SET search_path = ''
        AS $$
        BEGIN
            IF TG_OP = 'DELETE' THEN
                PERFORM pg_catalog.pg_notify('jackfield_routes', pg_catalog.to_jsonb(OLD) ->> TG_ARGV[0]);
            ELSE
                PERFORM pg_catalog.pg_notify('jackfield_routes', pg_catalog.to_jsonb(NEW) ->> TG_ARGV[0]);
            END IF;
            RETURN NULL;
        END $$
    """)
    for table, column in ROUTE_TABLES.items():
        op.execute(f"""
            CREATE TRIGGER announce_route AFTER INSERT OR UPDATE OR DELETE ON {table}
            FOR EACH ROW EXECUTE FUNCTION app.announce_route('{column}')
        """)
