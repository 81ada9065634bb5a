"""Products, stock and orders."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from chassis.schema import create_chassis_tables

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_chassis_tables()
    op.create_table(
        "products",
        sa.Column("sku", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("price_cents", sa.Integer, sa.CheckConstraint("price_cents > 0"), nullable=False),
        sa.Column("currency", sa.CHAR(3), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
    )
    op.create_table(
        "stock",
        sa.Column("sku", sa.Text, sa.ForeignKey("products.sku"), primary_key=True),
        sa.Column("stocked", sa.Integer, nullable=False),
        *(sa.Column(name, sa.Integer, nullable=False) for name in ("available", "reserved", "sold")),
        sa.CheckConstraint("stocked = available + reserved + sold", name="stock_adds_up"),
        sa.CheckConstraint("available >= 0 AND reserved >= 0 AND sold >= 0", name="stock_not_negative"),
        # Hot rows change often: room in the page lets an update stay there and touch no index.
        postgresql_with={"fillfactor": 50},
    )
    op.create_table(
        "orders",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("partition", sa.SmallInteger, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("customer", sa.Text, nullable=False),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("items", JSONB, nullable=False),
        sa.Column("total_cents", sa.BigInteger, nullable=False),
        sa.Column("currency", sa.CHAR(3), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("status IN ('pending', 'confirmed', 'cancelled')", name="orders_status"),
        sa.CheckConstraint("(status = 'cancelled') = (reason IS NOT NULL)", name="orders_reason"),
    )
    op.create_index("orders_of_customer", "orders", ["customer", sa.text("id DESC")])
    op.create_index("orders_deadline", "orders", ["expires_at"], postgresql_where=sa.text("status = 'pending'"))
