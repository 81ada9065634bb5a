"""What the order service is told."""

from pydantic import Field

from chassis.settings import ServiceSettings


class Settings(ServiceSettings):
    """The chassis' settings, and how long an order waits for its payment."""

    database_name: str = "orders"
    database_user: str = "order_app"
    broker_user: str = "order"
    redis_user: str = "order"

    payment_url: str = Field(pattern=r"^https?://", description="where the payment service answers, for timelines")
    notification_url: str = Field(pattern=r"^https?://", description="where the notification service answers")

    order_ttl_seconds: float = Field(120, gt=0, description="from placing to expiry")
