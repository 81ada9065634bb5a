"""Products over HTTP: what is sold, and, as a resource of its own, how many there are now."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy import select, text

from chassis.cache import Cache, Cached, Row
from chassis.conditional import cacheable
from chassis.db import Session
from chassis.errors import ProblemError
from chassis.http import (
    Admin,
    CurrentReading,
    FreshQuerySession,
    QuerySession,
    ServiceRoute,
    TransactionSession,
    anonymous,
)
from chassis.invalidation import invalidate
from order.models import Product
from order.stock import Stock

MAX_PAGE = 100
MAX_STOCK = 1_000_000_000
MAX_PRICE_CENTS = 100_000_000
EDGE_SECONDS = 5  # a page of a product may be this old, to whoever has not just changed it

SKU = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
SKUInPath = Annotated[SKU, Path()]

router = APIRouter(prefix="/products", route_class=ServiceRoute)

PUT_PRODUCT = text("""
    INSERT INTO products (sku, name, price_cents, currency, version)
    VALUES (:sku, :name, :price_cents, :currency, 1)
    ON CONFLICT (sku) DO UPDATE SET name = excluded.name, price_cents = excluded.price_cents,
        currency = excluded.currency, version = products.version + 1
    RETURNING version
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


async def load_product(session: Session, sku: str) -> Row | None:
    """The product as it is cached."""
    product = await session.get(Product, sku)
    return Row(product.version, ProductOut.model_validate(product).model_dump_json().encode()) if product else None


async def load_skus(session: Session) -> list[str]:
    """Every product's code."""
    return list(await session.scalars(select(Product.sku)))


PRODUCTS = Cached("products", load_product, load_skus)


async def catalogue(request: Request) -> Cache:
    """The products' cache."""
    cache: Cache = request.app.state.caches[PRODUCTS.name]
    return cache


@router.put("/{sku}", dependencies=[Admin])
async def put_product(sku: SKUInPath, body: ProductIn, session: TransactionSession) -> ProductOut:
    """Create or change a product and how many were stocked; what is reserved or sold stays so."""
    version = await session.scalar(PUT_PRODUCT, {"sku": sku, **body.model_dump(exclude={"stocked"})})
    await invalidate(session, PRODUCTS.name, sku, version)
    if await session.scalar(PUT_STOCK, {"sku": sku, "stocked": body.stocked}) is None:
        raise ProblemError(409, f"stocked: more than {body.stocked} of {sku} are reserved or sold already")
    return ProductOut(sku=sku, name=body.name, price_cents=body.price_cents, currency=body.currency)


@router.get("", response_model=ProductPage)
@anonymous
async def list_products(
    request: Request,
    session: QuerySession,
    cursor: SKU | None = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 20,
) -> Response:
    """What is sold."""
    query = select(Product).order_by(Product.sku).limit(limit + 1)
    if cursor is not None:
        query = query.where(Product.sku > cursor)
    products = (await session.scalars(query)).all()
    found = [ProductOut.model_validate(product) for product in products[:limit]]
    page = ProductPage(products=found, cursor=found[-1].sku if len(products) > limit else None)
    return cacheable(request, page.model_dump_json().encode(), EDGE_SECONDS)


@router.get("/{sku}", response_model=ProductOut)
@anonymous
async def read_product(
    sku: SKUInPath, request: Request, reading: CurrentReading, products: Annotated[Cache, Depends(catalogue)]
) -> Response:
    """One product."""
    body = await products.read(reading, sku)
    if body is None:
        raise ProblemError(404, f"there is no product {sku}")
    return cacheable(request, body, EDGE_SECONDS)


@router.get("/{sku}/stock")
@anonymous
async def read_stock(sku: SKUInPath, session: FreshQuerySession, response: Response) -> StockOut:
    """Its stock, live."""
    response.headers["Cache-Control"] = "no-store"
    stock = await session.get(Stock, sku)
    if stock is None:
        raise ProblemError(404, f"there is no product {sku}")
    return StockOut.model_validate(stock)
