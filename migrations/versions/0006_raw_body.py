"""Handlers of operations say whether they take a body that is not the JSON it claims to be.

Revision ID: 0006
Revises: 0005
Create Date: 2026-11-26
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A constant default rewrites no row, and lets a release that does not know the column go on meanwhile.
    The triggers of 0002 announce its changes like any other."""
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.add_column("handlers", sa.Column("raw_body", sa.Boolean(), nullable=False, server_default=sa.false()))


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.drop_column("handlers", "raw_body")
