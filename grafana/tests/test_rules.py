"""Prometheus' own tool: the rules are valid, and every alert fires where it should and is silent where it should."""

import shutil
import subprocess
from pathlib import Path

import pytest

from observe import rules

PROMTOOL = shutil.which("promtool") or "promtool"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything that promtool reads."""
    directory = tmp_path_factory.mktemp("rules")
    (directory / "rules").mkdir()
    for name, text in rules.files().items():
        (directory / "rules" / name).write_text(text)
    for name, text in rules.trials().items():
        (directory / f"{name}.yml").write_text(text)
    return directory


def promtool(directory: Path, *words: str) -> str:
    done = subprocess.run([PROMTOOL, *words], cwd=directory, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_rules_are_valid(written: Path) -> None:
    files = [str(file) for file in sorted((written / "rules").glob("*.yml"))]
    assert "SUCCESS" in promtool(written, "check", "rules", *files)


@pytest.mark.parametrize("trial", sorted(rules.trials()))
def test_every_alert_fires_and_stays_silent(written: Path, trial: str) -> None:
    assert "SUCCESS" in promtool(written, "test", "rules", f"{trial}.yml")


def test_every_alert_is_tried_in_both_situations() -> None:
    for alert in rules.everything():
        assert alert.fires, alert.name
        assert alert.silent, alert.name
        assert dict(alert.fires) != dict(alert.silent), alert.name
