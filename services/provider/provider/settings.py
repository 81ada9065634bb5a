"""What the provider is told from its environment."""

from pathlib import Path

from chassis.settings import BaseProcessSettings


class Settings(BaseProcessSettings):
    """Where to listen, and where the ledger is kept."""

    data_dir: Path
