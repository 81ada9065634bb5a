"""A column, so that there are two versions; a database that has a table named `broken` refuses it half-way."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """One more column."""
    op.execute("ALTER TABLE things ADD COLUMN colour text")
    op.execute("CREATE TABLE broken (id integer)")
