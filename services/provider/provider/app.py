"""The composition root: everything the provider consists of, put together."""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException

from provider.api import Api
from provider.faults import Mishaps
from provider.ledger import Ledger
from provider.problems import Problem, answer_defect, answer_problem, answer_routing


def create_app(ledger: Ledger, mishaps: Mishaps) -> Starlette:
    """The provider's HTTP API over its ledger and its faults."""
    handlers = {Problem: answer_problem, HTTPException: answer_routing, Exception: answer_defect}
    return Starlette(routes=Api(ledger, mishaps).routes(), exception_handlers=handlers)
