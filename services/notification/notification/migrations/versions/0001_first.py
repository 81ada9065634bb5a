"""Notifications."""

import sqlalchemy as sa
from alembic import op

from chassis.schema import create_chassis_tables

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_chassis_tables()
    op.create_table(
        "notifications",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("partition", sa.SmallInteger, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("order_id", sa.Uuid, nullable=False),
        sa.Column("customer", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("email", sa.Text, nullable=False),
        sa.CheckConstraint("status IN ('waiting', 'sent', 'failed')", name="notifications_status"),
        sa.UniqueConstraint("order_id", "kind", name="notifications_once"),
    )
