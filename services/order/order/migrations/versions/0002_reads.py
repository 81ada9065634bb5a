"""What reading from a replica and a cache needs."""

from chassis.schema import create_read_tables

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    create_read_tables()
