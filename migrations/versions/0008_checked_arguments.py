"""A handler says whether its arguments are checked against its operation's schema.

Revision ID: 0008
Revises: 0007
Create Date: 2026-11-26
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A new document is announced like a changed handler: what is kept of a handler includes what its
    document says of arguments. The row's bytes are not looked at, unlike by the function of 0002."""
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.add_column(
        "handlers", sa.Column("validate_args", sa.Boolean(), nullable=False, server_default=sa.true())
    )
    op.execute("""
        CREATE FUNCTION app.announce_document() RETURNS trigger LANGUAGE plpgsql SET search_path = ''
        AS $$
        BEGIN
            PERFORM pg_catalog.pg_notify('jackfield_routes', NEW.tenant_id::text);
            RETURN NULL;
        END $$
    """)
    op.execute("""
        CREATE TRIGGER announce_document AFTER INSERT ON openapi_documents
        FOR EACH ROW EXECUTE FUNCTION app.announce_document()
    """)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.execute("DROP TRIGGER announce_document ON openapi_documents")
    op.execute("DROP FUNCTION app.announce_document()")
    op.drop_column("handlers", "validate_args")
