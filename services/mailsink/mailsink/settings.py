"""What the mail sink is told from its environment."""

from pathlib import Path

from pydantic import Field

from chassis.settings import BaseProcessSettings


class Settings(BaseProcessSettings):
    """Where to take mail, where to show it (`http_port`), and where it is kept."""

    smtp_port: int = Field(ge=1, le=65535)
    data_dir: Path
