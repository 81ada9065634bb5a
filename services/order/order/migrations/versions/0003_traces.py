"""Where a trace goes on: on what was emitted, and on what was asked of the outside world."""

from chassis.schema import create_trace_columns

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    create_trace_columns()
