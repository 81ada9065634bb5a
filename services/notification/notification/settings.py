"""What the notification service is told."""

from pydantic import Field

from chassis.settings import ServiceSettings


class Settings(ServiceSettings):
    """The chassis' settings and the mail server's address."""

    database_name: str = "notifications"
    database_user: str = "notification_app"
    broker_user: str = "notification"
    redis_user: str = "notification"

    smtp_host: str
    smtp_port: int = Field(ge=1, le=65535)
