"""When money moved, and what each day's comparison with the provider found."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0003"
down_revision = "0002"

# The database's clock, and no statement more in the way of a payment.
STAMP = """
CREATE FUNCTION stamp_payment() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.status = 'captured' THEN
        NEW.captured_at := now();
    ELSE
        NEW.refunded_at := now();
    END IF;
    RETURN NEW;
END $$
"""
STAMPED = """
CREATE TRIGGER stamp_payment BEFORE UPDATE OF status ON payments FOR EACH ROW
WHEN (NEW.status IN ('captured', 'refunded') AND OLD.status <> NEW.status)
EXECUTE FUNCTION stamp_payment()
"""


def upgrade() -> None:
    for name in ("captured_at", "refunded_at"):
        op.add_column("payments", sa.Column(name, sa.DateTime(timezone=True)))
        op.create_index(f"payments_{name}", "payments", [name], postgresql_where=sa.text(f"{name} IS NOT NULL"))
    op.execute(STAMP)
    op.execute(STAMPED)
    op.create_table(
        "settlements",
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("totals", JSONB, nullable=False),
        sa.Column("differences", JSONB, nullable=False),
    )
