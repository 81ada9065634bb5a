"""Everything that is generated and committed, by its path below the repository."""

from pathlib import Path

from observe import boards, catalogue, rules

ROOT = Path(__file__).parents[2]


def files() -> dict[str, str]:
    """Path -> what it must hold."""
    return {
        "docs/metrics.md": catalogue.render(),
        **{f"infra/prometheus/rules/{name}": text for name, text in rules.files().items()},
        **{f"grafana/dashboards/{name}.json": text for name, text in boards.files().items()},
    }


def stale() -> list[Path]:
    """What lies among the generated files and is none of them."""
    wanted = {ROOT / path for path in files()}
    found = [*(ROOT / "infra/prometheus/rules").glob("*.yml"), *(ROOT / "grafana/dashboards").glob("*.json")]
    return [path for path in found if path not in wanted]
