"""Build the webhook engine: executions by the day, admitted, claimed and dropped in bulk.

Executions and attempts are partitioned by the day that their id was made on, deduplication keys by the week,
so that what has been kept long enough is dropped and never deleted row by row. A foreign key would be checked
once per row on the hottest path there is; ``admit_executions`` locks each handler once per batch instead, and
a trigger on the handlers does what ON DELETE CASCADE would.

Revision ID: 0003
Revises: 0002
Create Date: 2026-11-25
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TABLES = ("executions", "attempts", "dedup_keys")
SERVING = "jackfield_app, jackfield_worker"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.execute("DROP FUNCTION app.claim_executions(integer, interval)")
    set_aside()
    create_tables()
    create_partition_keeper()
    copy_back()
    isolate()
    let_definer()
    create_admission()
    create_claim()
    create_backlog()
    forget_with_the_handler()
    keep_what_releasing_takes()
    op.execute("""
        CREATE TRIGGER announce_route AFTER INSERT OR UPDATE OR DELETE ON credentials
        FOR EACH ROW EXECUTE FUNCTION app.announce_route('tenant_id')
    """)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.execute("DROP TRIGGER announce_route ON credentials")
    for column in ("is_whole", "sealed", "execution_id"):
        op.drop_column("rejected_requests", column)
    op.execute("DROP TRIGGER forget_executions ON handlers")
    op.execute("REVOKE ALL ON handlers FROM jackfield_definer")
    op.execute("DROP POLICY definer ON handlers")
    for signature in (
        "app.forget_executions()",
        "app.execution_backlog()",
        "app.lane_after(bigint, integer, uuid)",
        f"app.claim_executions({CLAIM_TYPES})",
        "app.admit_executions(json, json, bytea[])",
        "app.keep_partitions(integer, integer)",
        "app.add_partitions(timestamptz, timestamptz)",
    ):
        op.execute(f"DROP FUNCTION {signature}")
    restore_tables()
    op.execute("DROP FUNCTION app.first_id(timestamptz)")
    restore_claim()


def set_aside() -> None:
    """The old tables keep their rows for ``copy_back``; the owner may read them all for that moment."""
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} RENAME TO old_{table}")
        op.execute(f"ALTER INDEX {table}_pkey RENAME TO old_{table}_pkey")
    for index in ("ix_executions_due_at", "attempts_tenant_id_execution_id_number_key"):
        op.execute(f"ALTER INDEX {index} RENAME TO old_{index}")


def create_tables() -> None:
    op.create_table(
        "executions",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("integration_id", sa.Uuid(), nullable=False),
        sa.Column("handler_id", sa.Uuid(), nullable=False),
        sa.Column("lane", sa.BigInteger(), nullable=False),
        sa.Column("trigger", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("status_reason", sa.Text(), nullable=True),
        sa.Column("replay_of", sa.Uuid(), nullable=True),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.Column("trace_parent", sa.Text(), nullable=True),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("query", sa.Text(), nullable=False),
        sa.Column("headers", postgresql.JSON(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("peer", sa.Text(), nullable=True),
        sa.Column("max_attempts", sa.BigInteger(), nullable=False),
        sa.Column("attempt_count", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(due_at IS NULL) = (status NOT IN ('queued', 'running'))", name=op.f("executions_due_check")
        ),
        sa.CheckConstraint(
            "status IN ('queued', 'running', 'succeeded', 'failed', 'dead', 'cancelled')",
            name=op.f("executions_status_check"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("executions_pkey")),
        postgresql_partition_by="RANGE (id)",
    )
    # Bodies are JSON or already compressed; squeezing each into the row would cost more than the space.
    op.execute("ALTER TABLE executions ALTER COLUMN body SET STORAGE EXTERNAL")
    op.create_index(
        "ix_executions_lane", "executions", ["lane", "due_at"], postgresql_where=sa.text("due_at IS NOT NULL")
    )
    op.create_index("ix_executions_handler", "executions", ["tenant_id", "handler_id", "id"])
    op.create_index("ix_executions_integration", "executions", ["tenant_id", "integration_id", "id"])
    op.create_table(
        "attempts",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("execution_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("duration_ms", sa.BigInteger(), nullable=False),
        sa.Column("request_method", sa.Text(), nullable=True),
        sa.Column("request_url", sa.Text(), nullable=True),
        sa.Column("status_code", sa.BigInteger(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("response_headers", postgresql.JSON(), nullable=False),
        sa.Column("response_body", sa.LargeBinary(), nullable=True),
        sa.Column("response_truncated", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "execution_id", "number", name=op.f("attempts_pkey")),
        postgresql_partition_by="RANGE (execution_id)",
    )
    op.create_table(
        "dedup_keys",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("handler_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("week", sa.BigInteger(), nullable=False),
        sa.Column("execution_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "handler_id", "key", "week", name=op.f("dedup_keys_pkey")),
        postgresql_partition_by="LIST (week)",
    )


def create_partition_keeper() -> None:
    """Partitions are made beside the table and attached: that waits for nobody's reads or writes.

    Only who owns a table can give it partitions, so these functions are the owner's; they take days and
    numbers, no names. Nobody has a right on a partition itself, so row-level security cannot be passed by.
    """
    op.execute("""
        CREATE FUNCTION app.first_id(moment timestamptz) RETURNS uuid
        LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT SET search_path = ''
        AS $$
            SELECT (lpad(to_hex(floor(extract(epoch FROM moment) * 1000)::bigint), 12, '0')
                || '00000000000000000000')::uuid
        $$
    """)
    op.execute("""
        CREATE FUNCTION app.add_partitions(since timestamptz, until timestamptz) RETURNS void
        LANGUAGE plpgsql SET search_path = ''
        AS $$
        DECLARE
            day timestamptz := date_trunc('day', since, 'UTC');
            week bigint := floor(extract(epoch FROM since) / 604800);
            parent text;
            partition text;
        BEGIN
            PERFORM pg_advisory_xact_lock(7665371238401798516);
            WHILE day <= until LOOP
                FOREACH parent IN ARRAY ARRAY['executions', 'attempts'] LOOP
                    partition := parent || to_char(day AT TIME ZONE 'UTC', '_YYYYMMDD');
                    CONTINUE WHEN to_regclass('public.' || partition) IS NOT NULL;
                    EXECUTE format(
                        'CREATE TABLE public.%1$I (LIKE public.%2$I INCLUDING DEFAULTS INCLUDING CONSTRAINTS'
                        ' INCLUDING STORAGE) WITH (autovacuum_vacuum_scale_factor = 0.05)',
                        partition, parent
                    );
                    EXECUTE format(
                        'ALTER TABLE public.%2$I ATTACH PARTITION public.%1$I'
                        ' FOR VALUES FROM (%3$L) TO (%4$L)',
                        partition, parent, app.first_id(day), app.first_id(day + interval '24 hours')
                    );
                END LOOP;
                day := day + interval '24 hours';
            END LOOP;
            WHILE week <= floor(extract(epoch FROM until) / 604800) LOOP
                partition := 'dedup_keys_' || week;
                IF to_regclass('public.' || partition) IS NULL THEN
                    EXECUTE format('CREATE TABLE public.%1$I (LIKE public.dedup_keys)', partition);
                    EXECUTE format(
                        'ALTER TABLE public.dedup_keys ATTACH PARTITION public.%1$I FOR VALUES IN (%2$s)',
                        partition, week
                    );
                END IF;
                week := week + 1;
            END LOOP;
        END $$
    """)
    op.execute("REVOKE ALL ON FUNCTION app.add_partitions(timestamptz, timestamptz) FROM PUBLIC")
    op.execute("SELECT app.add_partitions(now() - interval '1 day', now() + interval '3 days')")
    op.execute("""
        CREATE FUNCTION app.keep_partitions(days_ahead integer, days_kept integer) RETURNS integer
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
        AS $$
        DECLARE
            partition record;
            is_pending boolean;
            dropped integer := 0;
        BEGIN
            PERFORM app.add_partitions(now(), now() + make_interval(days => days_ahead));
            PERFORM set_config('lock_timeout', '500ms', true);
            FOR partition IN
                SELECT relname, substring(relname FROM '[0-9]+$') AS day FROM pg_class
                JOIN pg_inherits ON inhrelid = pg_class.oid WHERE inhparent = 'public.executions'::regclass
            LOOP
                CONTINUE WHEN to_date(partition.day, 'YYYYMMDD') + days_kept
                    >= (now() AT TIME ZONE 'UTC')::date;
                EXECUTE format(
                    'SELECT EXISTS (SELECT FROM public.%I WHERE due_at IS NOT NULL)', partition.relname
                ) INTO is_pending;
                CONTINUE WHEN is_pending;
                BEGIN
                    EXECUTE format('DROP TABLE public.%I', partition.relname);
                    EXECUTE format('DROP TABLE IF EXISTS public.%I', 'attempts_' || partition.day);
                    dropped := dropped + 1;
                EXCEPTION WHEN lock_not_available THEN
                    -- Another time: the days to come must not be lost with it.
                    RETURN dropped;
                END;
            END LOOP;
            FOR partition IN
                SELECT relname FROM pg_class JOIN pg_inherits ON inhrelid = pg_class.oid
                WHERE inhparent = 'public.dedup_keys'::regclass
                    AND substring(relname FROM '[0-9]+$')::bigint
                        < floor(extract(epoch FROM now()) / 604800) - 2
            LOOP
                BEGIN
                    EXECUTE format('DROP TABLE public.%I', partition.relname);
                EXCEPTION WHEN lock_not_available THEN
                    RETURN dropped;
                END;
            END LOOP;
            RETURN dropped;
        END $$
    """)
    op.execute("REVOKE ALL ON FUNCTION app.keep_partitions(integer, integer) FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION app.keep_partitions(integer, integer) TO {SERVING}")


def copy_back() -> None:
    """A row of before has no lane; one per handler keeps it apart from others."""
    op.execute("""
        SELECT app.add_partitions(min(created_at) - interval '1 day', now())
        FROM (SELECT created_at FROM old_executions UNION ALL SELECT created_at FROM old_dedup_keys) AS old
        HAVING min(created_at) IS NOT NULL
    """)
    op.execute("""
        INSERT INTO executions
            (tenant_id, id, integration_id, handler_id, lane, trigger, status, status_reason, replay_of,
             request_id, method, query, headers, body, peer, max_attempts, attempt_count, due_at, fence,
             created_at, finished_at)
        SELECT tenant_id, id, integration_id, handler_id, hashtextextended(handler_id::text, 0), trigger,
            status, status_reason, replay_of, request_id, method, query, headers, body, peer, max_attempts,
            attempt_count, due_at, fence, created_at, finished_at
        FROM old_executions
    """)
    op.execute("""
        INSERT INTO attempts
            (tenant_id, execution_id, number, started_at, duration_ms, request_method, request_url,
             status_code, error, response_headers, response_body, response_truncated)
        SELECT tenant_id, execution_id, number, started_at, duration_ms, request_method, request_url,
            status_code, error, response_headers, response_body, response_truncated
        FROM old_attempts
    """)
    op.execute("""
        INSERT INTO dedup_keys (tenant_id, handler_id, key, week, execution_id)
        SELECT tenant_id, handler_id, key, floor(extract(epoch FROM created_at) / 604800), execution_id
        FROM old_dedup_keys
    """)
    for table in reversed(TABLES):
        op.execute(f"DROP TABLE old_{table} CASCADE")


def isolate() -> None:
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"""
            CREATE POLICY tenant ON {table}
            USING (tenant_id = (SELECT app.tenant_id())) WITH CHECK (tenant_id = (SELECT app.tenant_id()))
        """)
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {SERVING}")
        op.execute(f"GRANT SELECT ON {table} TO jackfield_ro")


def let_definer() -> None:
    """What the functions below need of other tenants' rows, by column; no header, body or value."""
    for table, privileges in {
        "executions": (
            "SELECT (tenant_id, id, handler_id, lane, due_at, fence, status)",
            "UPDATE (due_at, fence, status)",
            "INSERT",
            "DELETE",
        ),
        "attempts": ("SELECT (tenant_id, execution_id)", "DELETE"),
        "dedup_keys": ("SELECT", "INSERT", "DELETE"),
        "handlers": ("SELECT (tenant_id, id)", "UPDATE (id)"),  # a row lock asks for UPDATE of some column
    }.items():
        for privilege in privileges:
            op.execute(f"GRANT {privilege} ON {table} TO jackfield_definer")
        op.execute(f"CREATE POLICY definer ON {table} TO jackfield_definer USING (true) WITH CHECK (true)")


RECIPIENT = {
    "tenant_id": "uuid",
    "integration_id": "uuid",
    "handler_id": "uuid",
    "lane": "bigint",
}
ADMISSION = {
    "id": "uuid",
    "trigger": "text",
    "status": "text",
    "replay_of": "uuid",
    "request_id": "text",
    "trace_parent": "text",
    "method": "text",
    "query": "text",
    "headers": "json",
    "peer": "text",
    "max_attempts": "bigint",
    "fence": "bigint",
    "created_at": "timestamptz",
}
"""A new execution as JSON: one value instead of an array per column costs the sender a third. What most have
in common is left out. Beside it ``n`` is the place of its body and ``r`` that of its recipient, ``due_in``
seconds from now, ``key`` what identifies the delivery, if anything."""
DEFAULTS = {"trigger": "'webhook'", "status": "'queued'", "method": "'POST'", "query": "''", "fence": "0"}


def create_admission() -> None:
    """Stores a batch, of any tenants, in one statement of the caller; says per row which execution there is.

    ``admitted`` is the row's own id; the first delivery's, where the same key was seen before; null where the
    handler is gone. The same call again changes nothing and answers the same, so that whoever lost the answer
    may ask again.

    A key is looked for in last week's partition and added to this week's. Two deliveries that straddle the
    turn of a week would each miss the other: in its first five minutes keys go into both, the older first.
    """
    recipient = ", ".join(f"{name} {type}" for name, type in RECIPIENT.items())
    given = ", ".join(f"{name} {type}" for name, type in ADMISSION.items())
    columns = ", ".join((*RECIPIENT, *ADMISSION))
    values = ", ".join(
        f"coalesce(w.{name}, {DEFAULTS[name]})" if name in DEFAULTS else f"w.{name}"
        for name in (*RECIPIENT, *ADMISSION)
    )
    define(
        "app.admit_executions(recipients json, rows json, bodies bytea[])"
        " RETURNS TABLE (id uuid, admitted uuid)",
        f"""
        #variable_conflict use_column
        DECLARE
            seconds bigint := extract(epoch FROM now());
            this_week bigint := seconds / 604800;
            decisive_week bigint := CASE WHEN seconds % 604800 < 300 THEN this_week - 1 ELSE this_week END;
            stored_ids uuid[];
        BEGIN
            WITH alive AS (
                SELECT a.* FROM json_to_recordset(recipients) AS a (r integer, {recipient})
                JOIN public.handlers h ON h.tenant_id = a.tenant_id AND h.id = a.handler_id
                FOR KEY SHARE OF h
            ), wanted AS (
                SELECT * FROM alive
                JOIN json_to_recordset(rows)
                    AS given (r integer, n integer, due_in double precision, key text, {given}) USING (r)
            ), fresh AS (
                INSERT INTO public.dedup_keys (tenant_id, handler_id, key, week, execution_id)
                SELECT w.tenant_id, w.handler_id, w.key, decisive_week, w.id
                FROM wanted w
                WHERE w.key IS NOT NULL AND NOT EXISTS (
                    SELECT FROM public.dedup_keys d WHERE d.tenant_id = w.tenant_id
                        AND d.handler_id = w.handler_id AND d.key = w.key AND d.week = decisive_week - 1
                )
                ORDER BY w.tenant_id, w.handler_id, w.key
                ON CONFLICT DO NOTHING
                RETURNING tenant_id, handler_id, key, execution_id
            ), overlapping AS (
                -- Only what is stored, or the week after would know executions that never were.
                INSERT INTO public.dedup_keys (tenant_id, handler_id, key, week, execution_id)
                SELECT f.tenant_id, f.handler_id, f.key, this_week, f.execution_id
                FROM fresh f WHERE decisive_week < this_week
                ON CONFLICT DO NOTHING
            ), stored AS (
                INSERT INTO public.executions ({columns}, body, due_at, attempt_count)
                SELECT {values}, bodies[w.n], now() + make_interval(secs => coalesce(w.due_in, 0)), 0
                FROM wanted w
                WHERE w.key IS NULL
                    OR w.id IN (SELECT f.execution_id FROM fresh f)
                ON CONFLICT DO NOTHING
                RETURNING id
            )
            SELECT array_agg(s.id) INTO stored_ids FROM stored s;

            RETURN QUERY SELECT s, s FROM unnest(stored_ids) AS s;
            IF coalesce(cardinality(stored_ids), 0) = cardinality(bodies) THEN
                RETURN;
            END IF;
            -- A statement of its own, so that it sees what others committed while the first one waited.
            RETURN QUERY
                SELECT g.id, coalesce(
                    (
                        SELECT d.execution_id FROM public.dedup_keys d
                        WHERE d.tenant_id = a.tenant_id AND d.handler_id = a.handler_id AND d.key = g.key
                            AND d.week BETWEEN decisive_week - 1 AND this_week
                        ORDER BY d.week LIMIT 1
                    ),
                    (
                        SELECT e.id FROM public.executions e
                        WHERE e.tenant_id = a.tenant_id AND e.id = g.id
                    )
                )
                FROM json_to_recordset(rows) AS g (r integer, id uuid, key text)
                JOIN json_to_recordset(recipients) AS a (r integer, tenant_id uuid, handler_id uuid) USING (r)
                WHERE stored_ids IS NULL OR g.id <> ALL (stored_ids);
        END
        """,
        signature="app.admit_executions(json, json, bytea[])",
        callers=SERVING,
    )


CLAIM_TYPES = "integer, interval, bigint, uuid, integer, bigint[], integer[], integer, uuid[], integer[]"


def create_claim() -> None:
    """Takes due executions of any tenant for one worker, lane by lane. Ids leave, never a payload.

    A lane is what one tenant sends to one upstream. The walk starts at ``start`` and goes from lane to lane
    by the index, at most 200 far, taking the longest due of each; so what it costs does not depend on how
    much waits in a lane that is full. ``busy`` and ``free`` say how many more of a lane there may be, where
    that is less than ``per_lane``; ``tenants`` and ``tenants_free`` the same of a tenant. ``since`` keeps it
    to the newest partitions, where nearly all is.
    """
    define(
        "app.claim_executions(most integer, lease interval, start bigint, since uuid, per_lane integer,"
        " busy bigint[], free integer[], per_tenant integer, tenants uuid[], tenants_free integer[])"
        " RETURNS TABLE (tenant_id uuid, id uuid, fence bigint, lane bigint)",
        """
        #variable_conflict use_column
        BEGIN
            RETURN QUERY
            WITH RECURSIVE walk AS (
                (
                    SELECT e.lane, e.tenant_id, 1 AS step FROM public.executions e
                    WHERE e.due_at IS NOT NULL AND e.lane >= start AND e.id >= since
                    ORDER BY e.lane LIMIT 1
                )
                UNION ALL
                SELECT next.lane, next.tenant_id, w.step + 1 FROM walk w CROSS JOIN LATERAL (
                    SELECT e.lane, e.tenant_id FROM public.executions e
                    WHERE e.due_at IS NOT NULL AND e.lane > w.lane AND e.id >= since
                    ORDER BY e.lane LIMIT 1
                ) next
                WHERE w.step < 200
            ), room AS (
                SELECT w.lane, w.tenant_id, coalesce(t.free, per_tenant) AS of_tenant,
                    least(coalesce(b.free, per_lane), coalesce(t.free, per_tenant)) AS of_lane
                FROM walk w
                LEFT JOIN unnest(busy, free) AS b (lane, free) ON b.lane = w.lane
                LEFT JOIN unnest(tenants, tenants_free) AS t (tenant_id, free) ON t.tenant_id = w.tenant_id
                ORDER BY w.step
            ), due AS (
                SELECT longest.tenant_id, longest.id, r.of_tenant
                FROM room r
                CROSS JOIN LATERAL (
                    SELECT e.tenant_id, e.id FROM public.executions e
                    WHERE e.lane = r.lane AND e.due_at <= now() AND e.id >= since
                    ORDER BY e.due_at LIMIT r.of_lane FOR UPDATE SKIP LOCKED
                ) longest
                WHERE r.of_lane > 0
                LIMIT most
            ), counted AS (
                SELECT d.*, row_number() OVER (PARTITION BY d.tenant_id) AS number FROM due d
            )
            UPDATE public.executions e
            SET status = 'running', fence = e.fence + 1, due_at = now() + lease
            FROM counted c WHERE e.tenant_id = c.tenant_id AND e.id = c.id AND c.number <= c.of_tenant
            RETURNING e.tenant_id, e.id, e.fence, e.lane;
        END
        """,
        signature=f"app.claim_executions({CLAIM_TYPES})",
        callers="jackfield_worker",
    )
    define(
        "app.lane_after(start bigint, steps integer, since uuid) RETURNS bigint",
        """
        BEGIN
            RETURN (
                WITH RECURSIVE walk AS (
                    (
                        SELECT e.lane, 0 AS step FROM public.executions e
                        WHERE e.due_at IS NOT NULL AND e.lane >= start AND e.id >= since
                        ORDER BY e.lane LIMIT 1
                    )
                    UNION ALL
                    SELECT next.lane, w.step + 1 FROM walk w CROSS JOIN LATERAL (
                        SELECT e.lane FROM public.executions e
                        WHERE e.due_at IS NOT NULL AND e.lane > w.lane AND e.id >= since
                        ORDER BY e.lane LIMIT 1
                    ) next
                    WHERE w.step < steps
                )
                SELECT w.lane FROM walk w WHERE w.step = steps
            );
        END
        """,
        signature="app.lane_after(bigint, integer, uuid)",
        callers="jackfield_worker",
    )


def create_backlog() -> None:
    define(
        "app.execution_backlog() RETURNS TABLE (waiting bigint, oldest interval)",
        """
        BEGIN
            RETURN QUERY SELECT count(*), coalesce(now() - min(e.due_at), interval '0')
            FROM public.executions e WHERE e.due_at <= now();
        END
        """,
        signature="app.execution_backlog()",
        callers=SERVING,
    )


def forget_with_the_handler() -> None:
    """What ON DELETE CASCADE would do, in one statement for all handlers that go."""
    op.execute("""
        CREATE FUNCTION app.forget_executions() RETURNS trigger
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
        AS $$
        BEGIN
            -- An attempt may be on its way into the table: wait for it, so that the next statement sees it.
            PERFORM FROM public.executions e
            JOIN gone ON e.tenant_id = gone.tenant_id AND e.handler_id = gone.id
            WHERE e.due_at IS NOT NULL ORDER BY e.id FOR UPDATE OF e;
            DELETE FROM public.attempts a USING public.executions e, gone
            WHERE e.tenant_id = gone.tenant_id AND e.handler_id = gone.id
                AND a.tenant_id = e.tenant_id AND a.execution_id = e.id;
            DELETE FROM public.executions e USING gone
            WHERE e.tenant_id = gone.tenant_id AND e.handler_id = gone.id;
            DELETE FROM public.dedup_keys d USING gone
            WHERE d.tenant_id = gone.tenant_id AND d.handler_id = gone.id;
            RETURN NULL;
        END $$
    """)
    hand_over("app.forget_executions()")
    op.execute("""
        CREATE TRIGGER forget_executions AFTER DELETE ON handlers REFERENCING OLD TABLE AS gone
        FOR EACH STATEMENT EXECUTE FUNCTION app.forget_executions()
    """)


def keep_what_releasing_takes() -> None:
    """A request that was refused before cannot be released: what proved its sender was not kept."""
    op.add_column(
        "rejected_requests", sa.Column("is_whole", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.alter_column("rejected_requests", "is_whole", server_default=None)
    op.add_column("rejected_requests", sa.Column("sealed", sa.LargeBinary(), nullable=True))
    op.add_column("rejected_requests", sa.Column("execution_id", sa.Uuid(), nullable=True))
    op.create_check_constraint(
        op.f("rejected_requests_sealed_check"),
        "rejected_requests",
        "octet_length(sealed) >= 74 AND get_byte(sealed, 0) = 1",
    )


def define(declaration: str, body: str, *, signature: str, callers: str) -> None:
    """One plan for all calls: another for each would be made for every partition there is, each time."""
    op.execute(
        f"CREATE FUNCTION {declaration} LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = ''"
        f" SET plan_cache_mode = force_generic_plan AS $${body}$$"
    )
    op.execute(f"REVOKE ALL ON FUNCTION {signature} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {signature} TO {callers}")
    hand_over(signature)


def hand_over(signature: str) -> None:
    op.execute("GRANT CREATE ON SCHEMA app TO jackfield_definer")
    op.execute(f"ALTER FUNCTION {signature} OWNER TO jackfield_definer")
    op.execute("REVOKE CREATE ON SCHEMA app FROM jackfield_definer")


def restore_tables() -> None:
    """As revision 0001 made them, with the rows that are there."""
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE TABLE plain_{table} (LIKE {table} INCLUDING CONSTRAINTS)")
        op.execute(f"INSERT INTO plain_{table} SELECT * FROM {table}")
        op.drop_table(table)
        op.execute(f"ALTER TABLE plain_{table} RENAME TO {table}")
    op.execute("ALTER TABLE executions DROP COLUMN lane, DROP COLUMN trace_parent")
    op.execute("ALTER TABLE executions ALTER COLUMN body SET STORAGE EXTENDED")
    for table, column in (("executions", "headers"), ("attempts", "response_headers")):
        op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} TYPE jsonb USING {column}::jsonb")
    for column in ("due_at", "created_at"):
        op.execute(f"ALTER TABLE executions ALTER COLUMN {column} SET DEFAULT now()")
    op.execute("ALTER TABLE attempts ADD COLUMN id uuid NOT NULL DEFAULT gen_random_uuid()")
    op.execute("ALTER TABLE attempts ALTER COLUMN id DROP DEFAULT")
    op.execute("ALTER TABLE dedup_keys ADD COLUMN created_at timestamptz NOT NULL DEFAULT now()")
    op.execute("UPDATE dedup_keys SET created_at = to_timestamp(week * 604800)")
    op.execute("""
        DELETE FROM dedup_keys d WHERE NOT EXISTS (
            SELECT FROM executions e WHERE e.tenant_id = d.tenant_id AND e.id = d.execution_id
        ) OR EXISTS (
            SELECT FROM dedup_keys earlier WHERE earlier.tenant_id = d.tenant_id
                AND earlier.handler_id = d.handler_id AND earlier.key = d.key AND earlier.week < d.week
        )
    """)
    op.execute("ALTER TABLE dedup_keys DROP COLUMN week")
    op.create_primary_key("executions_pkey", "executions", ["tenant_id", "id"])
    op.create_primary_key("attempts_pkey", "attempts", ["tenant_id", "id"])
    op.create_primary_key("dedup_keys_pkey", "dedup_keys", ["tenant_id", "handler_id", "key"])
    op.create_unique_constraint(
        "attempts_tenant_id_execution_id_number_key", "attempts", ["tenant_id", "execution_id", "number"]
    )
    # A new foreign key is checked by a query of the owner's, which has to see what is referred to.
    for table in ("integrations", "handlers"):
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    for table, referred in (
        ("executions", "integration"),
        ("executions", "handler"),
        ("attempts", "execution"),
        ("dedup_keys", "execution"),
        ("dedup_keys", "handler"),
    ):
        columns = ["tenant_id", f"{referred}_id"]
        name = f"{table}_tenant_id_{referred}_id_fkey"
        op.create_foreign_key(name, table, f"{referred}s", columns, ["tenant_id", "id"], ondelete="CASCADE")
    for table in ("executions", "attempts"):
        name = f"{table}_tenant_id_fkey"
        op.create_foreign_key(name, table, "tenants", ["tenant_id"], ["id"], ondelete="CASCADE")
    for table in ("integrations", "handlers"):
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    due = sa.text("due_at IS NOT NULL")
    op.create_index("ix_executions_due_at", "executions", ["due_at"], postgresql_where=due)
    for owner in ("integration", "handler"):
        columns = ["tenant_id", f"{owner}_id", "created_at", "id"]
        op.create_index(f"ix_executions_tenant_id_{owner}_id_created_at", "executions", columns)
    op.create_index("ix_dedup_keys_tenant_id_execution_id", "dedup_keys", ["tenant_id", "execution_id"])
    isolate()


def restore_claim() -> None:
    """As revision 0002 made it."""
    op.execute("GRANT SELECT (tenant_id, id, due_at, fence, status) ON executions TO jackfield_definer")
    op.execute("GRANT UPDATE (due_at, fence, status) ON executions TO jackfield_definer")
    op.execute("CREATE POLICY definer ON executions TO jackfield_definer USING (true) WITH CHECK (true)")
    define(
        "app.claim_executions(most integer, lease interval)"
        " RETURNS TABLE (tenant_id uuid, id uuid, fence bigint)",
        """
        #variable_conflict use_column
        BEGIN
            RETURN QUERY UPDATE public.executions e
            SET status = 'running', fence = e.fence + 1, due_at = now() + lease
            FROM (
                SELECT c.tenant_id, c.id FROM public.executions c WHERE c.due_at <= now()
                ORDER BY c.due_at LIMIT most FOR UPDATE SKIP LOCKED
            ) due
            WHERE e.tenant_id = due.tenant_id AND e.id = due.id
            RETURNING e.tenant_id, e.id, e.fence;
        END
        """,
        signature="app.claim_executions(integer, interval)",
        callers="jackfield_worker",
    )
