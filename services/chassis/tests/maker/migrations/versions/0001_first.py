"""Things and notes."""

from alembic import op
from chassis_kit import TABLES

from chassis.schema import create_chassis_tables, create_read_tables, create_trace_columns

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Everything there is, so far."""
    create_chassis_tables()
    create_read_tables()
    create_trace_columns()
    for statement in TABLES.split(";\n"):
        op.execute(statement)
