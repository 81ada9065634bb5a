"""The seven dashboards."""

from observe.boards import data, load, messaging, overview, resilience, services, slo
from observe.boards.kit import Board, render

BOARDS: tuple[Board, ...] = (
    overview.BOARD,
    services.BOARD,
    messaging.BOARD,
    resilience.BOARD,
    data.BOARD,
    slo.BOARD,
    load.BOARD,
)


def files() -> dict[str, str]:
    """JSON by uid."""
    return {board.uid: render(board) for board in BOARDS}
