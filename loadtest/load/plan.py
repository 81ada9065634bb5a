"""What the generator is told: one JSON file, so that it can be another process."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from load.arrivals import Phase, Spacing
from load.profiles import Gates, Mix, Shelf

VARIABLE = "LOAD_PLAN"  # the environment variable that names the file


class Plan(BaseModel):
    """One run. `phases` are orders a second; `skus` begin with the hot ones; `stopping`: end when goodput falls."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run: str
    profile: str
    directory: Path
    stack: str
    phases: tuple[Phase, ...]
    spacing: Spacing = "poisson"
    seed: str
    mix: Mix
    shelf: Shelf
    gates: Gates
    skus: tuple[str, ...]
    customers: int = 500
    most_in_flight: int = 1000
    stopping: bool = False
    metrics_port: int | None = None

    @property
    def visits(self) -> tuple[Phase, ...]:
        """The phases in visitors, who also only look."""
        share = 1 + self.mix.browses_per_order
        return tuple(Phase(phase.per_second * share, phase.seconds) for phase in self.phases)

    @property
    def expected_orders(self) -> float:
        """How many orders the phases come to."""
        return sum(phase.per_second * phase.seconds for phase in self.phases)

    def write(self) -> Path:
        """Into the run's directory. Returns the file."""
        file = self.directory / "plan.json"
        file.write_text(self.model_dump_json(indent=2) + "\n")
        return file

    @classmethod
    def read(cls, file: Path) -> "Plan":
        """As it was written."""
        return cls.model_validate_json(file.read_text())
