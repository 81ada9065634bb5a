"""Products over HTTP: what is sold, and, as a resource of its own, how many there are now."""

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy import select, text

from chassis.errors import ProblemError
from chassis.http import Admin, FreshQuerySession, QuerySession, ServiceRoute, TransactionSession
from order.models import Product
from order.stock import Stock

MAX_PAGE = 100
MAX_STOCK = 1_000_000_000
MAX_PRICE_CENTS = 100_000_000

SKU = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
SKUInPath = Annotated[SKU, Path()]

router = APIRouter(prefix="/products", route_class=ServiceRoute)

PUT_PRODUCT = text("""
    INSERT INTO products (sku, name, price_cents, currency, version)
    VALUES (:sku, :name, :price_cents, :currency, 1)
    ON CONFLICT (sku) DO UPDATE SET name = excluded.name, price_cents = excluded.price_cents,
        currency = excluded.currency, version = products.version + 1
""")
PUT_STOCK = text("""
    INSERT INTO stock (sku, stocked, available, reserved, sold) VALUES (:sku, :stocked, :stocked, 0, 0)
    ON CONFLICT (sku) DO UPDATE SET stocked = excluded.stocked,
        available = stock.available + excluded.stocked - stock.stocked
    WHERE stock.available + excluded.stocked - stock.stocked >= 0
    RETURNING sku
""")


class ProductIn(BaseModel):
    """A product as the shop describes it; `stocked` counts everything ever put on the shelf."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")
    price_cents: int = Field(ge=1, le=MAX_PRICE_CENTS, strict=True)
    currency: str = Field(default="EUR", pattern=r"^[A-Z]{3}$")
    stocked: int = Field(ge=0, le=MAX_STOCK, strict=True)


class ProductOut(BaseModel):
    """A product as everybody sees it."""

    model_config = ConfigDict(from_attributes=True)

    sku: str
    name: str
    price_cents: int
    currency: str


class ProductPage(BaseModel):
    """Products by code; `cursor` asks for the next page and is absent on the last."""

    products: list[ProductOut]
    cursor: str | None = None


class StockOut(BaseModel):
    """How many there are this moment."""

    model_config = ConfigDict(from_attributes=True)

    sku: str
    stocked: int
    available: int
    reserved: int
    sold: int


@router.put("/{sku}", dependencies=[Admin])
async def put_product(sku: SKUInPath, body: ProductIn, session: TransactionSession) -> ProductOut:
    """Create or change a product and how many were stocked; what is reserved or sold stays so."""
    await session.execute(PUT_PRODUCT, {"sku": sku, **body.model_dump(exclude={"stocked"})})
    if await session.scalar(PUT_STOCK, {"sku": sku, "stocked": body.stocked}) is None:
        raise ProblemError(409, f"stocked: more than {body.stocked} of {sku} are reserved or sold already")
    return ProductOut(sku=sku, name=body.name, price_cents=body.price_cents, currency=body.currency)


@router.get("")
async def list_products(
    session: QuerySession, cursor: SKU | None = None, limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 20
) -> ProductPage:
    """What is sold."""
    query = select(Product).order_by(Product.sku).limit(limit + 1)
    if cursor is not None:
        query = query.where(Product.sku > cursor)
    products = (await session.scalars(query)).all()
    page = [ProductOut.model_validate(product) for product in products[:limit]]
    return ProductPage(products=page, cursor=page[-1].sku if len(products) > limit else None)


@router.get("/{sku}")
async def read_product(sku: SKUInPath, session: QuerySession) -> ProductOut:
    """One product."""
    product = await session.get(Product, sku)
    if product is None:
        raise ProblemError(404, f"there is no product {sku}")
    return ProductOut.model_validate(product)


@router.get("/{sku}/stock")
async def read_stock(sku: SKUInPath, session: FreshQuerySession) -> StockOut:
    """Its stock, live."""
    stock = await session.get(Stock, sku)
    if stock is None:
        raise ProblemError(404, f"there is no product {sku}")
    return StockOut.model_validate(stock)
