"""A place for stacks that are never started: only what is rendered and refused is looked at here."""

from pathlib import Path

import pytest

from native.layout import Layout


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    """The layout of a stack below a temporary directory."""
    monkeypatch.setenv("QUICKSAND_STATE", str(tmp_path))
    return Layout.of("unit")
