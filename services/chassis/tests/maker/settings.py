"""What this service is told: nothing but what every service is."""

from chassis.settings import ServiceSettings


class Settings(ServiceSettings):
    """The usual."""
