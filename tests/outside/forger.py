"""Tokens that nobody may get in with, as `Authorization` headers."""

import base64
import hmac
import json
import time

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from bearer import Tokens
from native import Stack
from native.tokens import signing_key

Claims = dict[str, object]


class Forger:
    """Somebody who has seen a good token and the public keys."""

    def __init__(self, stack: Stack, tokens: Tokens) -> None:
        self._tokens = tokens
        self._public_keys = signing_key(stack.layout).with_name("token_keys.json")

    @property
    def now(self) -> int:
        """The time in seconds, as tokens have it."""
        return int(time.time())

    def good(self, claims: Claims) -> str:
        """A token that is right in every way."""
        return self._tokens.sign(claims)

    def signed(self, claims: Claims, **changes: object) -> str:
        """Signed as it should be, with something wrong in it."""
        return f"Bearer {self._tokens.sign({**claims, **changes})}"

    def unsigned(self, claims: Claims) -> str:
        """`alg: none`."""
        return f"Bearer {_encoded({'alg': 'none', 'typ': 'JWT', 'kid': self._kid})}.{_encoded(self._whole(claims))}."

    def by_another_key(self, claims: Claims, kid: str | None = None) -> str:
        """Signed by nobody we know, under the name of a key that we do, unless it is given another."""
        key = ec.generate_private_key(ec.SECP256R1())
        return f"Bearer {jwt.encode(self._whole(claims), key, 'ES256', {'kid': kid or self._kid})}"

    def with_the_public_key_as_secret(self, claims: Claims) -> str:
        """The classic confusion: HS256, keyed with what everybody knows."""
        head = f"{_encoded({'alg': 'HS256', 'typ': 'JWT', 'kid': self._kid})}.{_encoded(self._whole(claims))}"
        signature = hmac.digest(self._public_keys.read_bytes(), head.encode(), "sha256")
        return f"Bearer {head}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"

    def changed(self, claims: Claims) -> str:
        """A good token whose claims were exchanged for others; its signature is the old one."""
        head, _, signature = self.good({"sub": "me"}).split(".")
        return f"Bearer {head}.{_encoded(self._whole(claims))}.{signature}"

    def nested(self) -> str:
        """A header that is JSON, and deeper than anybody can read."""
        return f"Bearer {base64.urlsafe_b64encode(b'[' * 2900).decode()}.e30.AA"

    @property
    def _kid(self) -> str:
        kid: str = jwt.get_unverified_header(self._tokens.of("me"))["kid"]
        return kid

    def _whole(self, claims: Claims) -> Claims:
        return {"exp": self.now + 60, "aud": "quicksand", **claims}


def _encoded(document: Claims) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip("=")
