"""Who is asking: a bearer token (RFC 6750), which is a signed JWT (RFC 7519), checked with public keys only.

The algorithm is fixed, not the token's choice; the key is the one that its `kid` names; `exp`, `aud` and `sub` must be
there. PyJWT does the checking: maintained, small, and it refuses what it is not explicitly asked to accept.
"""

import re
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import jwt

from chassis.errors import ProblemError
from chassis.events import PLAIN
from chassis.keys import ALGORITHM, KeyFile
from chassis.settings import ServiceSettings

HEADER = "Authorization"
ADMIN = "admin"
MAX_TOKEN_LENGTH = 4096
MAX_CUSTOMER_LENGTH = 100
LEEWAY_SECONDS = 5  # what the issuer's clock may be off
REQUIRED = ("exp", "aud", "sub")
KNOWN_TOKENS = 2_000  # a signature costs more to check than all else: those seen last are remembered

WRONG: dict[type[Exception], str] = {
    jwt.ExpiredSignatureError: "has expired; get a new one",
    jwt.ImmatureSignatureError: "is not valid yet",
    jwt.InvalidAudienceError: "is for somebody else: its audience is not this shop",
    jwt.InvalidAlgorithmError: f"is not signed with {ALGORITHM}",
    jwt.InvalidSignatureError: "has a wrong signature",
    jwt.MissingRequiredClaimError: f"lacks one of the claims {', '.join(REQUIRED)}",
}


@dataclass(frozen=True)
class Caller:
    """Who is asking: a customer, with the token that says so, to be passed on to who is asked on the way."""

    customer: str
    token: str
    scopes: frozenset[str] = frozenset()

    def require(self, scope: str) -> None:
        """Raises `ProblemError` (403) without this scope."""
        if scope not in self.scopes:
            challenge = f'Bearer realm="quicksand", error="insufficient_scope", scope="{scope}"'
            raise ProblemError(
                403, f"only a token with the scope '{scope}' may do this", headers={"WWW-Authenticate": challenge}
            )


class Doorman:
    """Turns tokens into callers."""

    def __init__(self, settings: ServiceSettings) -> None:
        self._audience = settings.token_audience
        self._keys = KeyFile(settings.token_keys_file, production=settings.environment == "production")
        self._known: OrderedDict[str, tuple[jwt.PyJWK, dict[str, Any]]] = OrderedDict()

    def caller(self, header: str | None) -> Caller:
        """Who sends this `Authorization` header. Raises `ProblemError` (401)."""
        scheme, _, token = (header or "").partition(" ")
        if not token or scheme.lower() != "bearer":
            raise _unauthorized(f"{HEADER}: send a bearer token", invalid=False)
        if len(token) > MAX_TOKEN_LENGTH:
            raise _unauthorized(f"{HEADER}: the token is longer than {MAX_TOKEN_LENGTH} characters")
        try:
            claims = self._claims(token)
        except (jwt.InvalidTokenError, ValueError, TypeError, ArithmeticError, RecursionError) as error:
            raise _unauthorized(f"{HEADER}: the token {WRONG.get(type(error), 'cannot be read')}") from None
        customer, scope = claims["sub"], claims.get("scope", "")
        if len(customer) > MAX_CUSTOMER_LENGTH or not re.match(PLAIN, customer):
            raise _unauthorized(
                f"{HEADER}: the token's subject has more than {MAX_CUSTOMER_LENGTH} characters or odd ones"
            )
        return Caller(customer, token, frozenset(scope.split()) if isinstance(scope, str) else frozenset())

    def _claims(self, token: str) -> dict[str, Any]:
        """A token's claims, checked now or by this key before; only its end can have come since then."""
        if known := self._known.get(token):
            key, claims = known
            if self._keys.find(key.key_id) is key and int(claims["exp"]) > time.time() - LEEWAY_SECONDS:
                self._known.move_to_end(token)
                return claims
            del self._known[token]
        key, claims = self._checked(token)
        self._known[token] = key, claims
        if len(self._known) > KNOWN_TOKENS:
            self._known.popitem(last=False)
        return claims

    def _checked(self, token: str) -> tuple[jwt.PyJWK, dict[str, Any]]:
        head = jwt.get_unverified_header(token)
        if head.get("alg") != ALGORITHM:
            raise jwt.InvalidAlgorithmError
        if (key := self._keys.find(head.get("kid"))) is None:
            raise jwt.InvalidSignatureError
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[ALGORITHM],
            audience=self._audience,
            leeway=LEEWAY_SECONDS,
            options={"require": list(REQUIRED)},
        )
        return key, claims


def _unauthorized(detail: str, *, invalid: bool = True) -> ProblemError:
    error = ', error="invalid_token"' if invalid else ""
    return ProblemError(401, detail, headers={"WWW-Authenticate": f'Bearer realm="quicksand"{error}'})
