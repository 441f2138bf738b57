"""A document says under which circumstances syncing it again changes nothing.

Revision ID: 0007
Revises: 0006
Create Date: 2026-11-26
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Without it, a document is compared as it was before."""
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.add_column("openapi_documents", sa.Column("settled", postgresql.JSONB(), nullable=True))


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.drop_column("openapi_documents", "settled")
