"""Payments."""

import sqlalchemy as sa
from alembic import op

from chassis.schema import create_chassis_tables

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_chassis_tables()
    op.create_table(
        "payments",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("partition", sa.SmallInteger, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("customer", sa.Text, nullable=False),
        sa.Column("amount_cents", sa.BigInteger, nullable=False),
        sa.Column("currency", sa.CHAR(3), nullable=False),
        sa.Column("email", sa.Text, nullable=False),
        sa.CheckConstraint(
            "status IN ('pending', 'captured', 'declined', 'voiding', 'voided', 'refunding', 'refunded')",
            name="payments_status",
        ),
    )
