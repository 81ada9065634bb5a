"""Who the visitors are: the one place that knows how a customer says so."""

from bearer import NoKeyError, Tokens
from load.errors import LoadError

ADMIN = "admin"


class Identity:
    """Headers, by customer."""

    def __init__(self, stack: str) -> None:
        """`stack`: whose key signs; empty: the key in TOKEN_SIGNING_KEY. Raises `LoadError` where there is none."""
        try:
            self._tokens = Tokens.load(stack or None)
        except NoKeyError as error:
            raise LoadError(str(error)) from None

    def headers(self, customer: str) -> dict[str, str]:
        """What this customer sends with each request."""
        return self._tokens.header(customer)
