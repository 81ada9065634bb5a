"""What the payment service is told."""

from typing import Self

from pydantic import Field, model_validator

from chassis.settings import ServiceSettings


class Settings(ServiceSettings):
    """The chassis' settings, the provider's address, and how long to wait for it."""

    database_name: str = "payments"
    database_user: str = "payment_app"
    broker_user: str = "payment"
    redis_user: str = "payment"

    provider_url: str = Field(pattern=r"^https?://")
    charge_give_up_seconds: float = Field(30, gt=0, description="from the order's arrival to voiding its charge")

    @model_validator(mode="after")
    def give_up_after_a_lease(self) -> Self:
        """A charge whose runner died must be tried once more before it is given up."""
        if self.effect_lease_seconds >= self.charge_give_up_seconds:
            raise ValueError("effect_lease_seconds must be less than charge_give_up_seconds")
        return self
