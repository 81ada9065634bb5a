"""Tokens, signed with the stack's key. What services accept is in the chassis (`auth.py`); this is the other side."""

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import jwt

ALGORITHM = "ES256"
AUDIENCE = "quicksand"
ADMIN = "admin"
LIFETIME_SECONDS = 3600
DEV_KEY_MARK = "dev-only-"


class NoKeyError(Exception):
    """There is no key to sign with; says how to get one."""


class Tokens:
    """Issues tokens; one that was issued is handed out again for the first half of its life."""

    def __init__(self, key_file: Path, *, production: bool = False) -> None:
        """Raises `NoKeyError`; in production also for the committed key, with which everybody can sign."""
        try:
            key = json.loads(key_file.read_text())
            self._key, self._kid = jwt.PyJWK(key, ALGORITHM), key["kid"]
        except (OSError, ValueError, LookupError, jwt.PyJWTError) as error:
            raise NoKeyError(
                f"{key_file} holds no key to sign tokens with ({error}): start the stack: make up"
            ) from None
        if production and self._kid.startswith(DEV_KEY_MARK):
            raise NoKeyError(
                f"{key_file} is the development key, and ENVIRONMENT=production: put a key of your own in its place"
            )
        self._issued: dict[tuple[str, str], tuple[float, str]] = {}

    @classmethod
    def load(cls, stack: str | None = None, given: Mapping[str, str] = os.environ) -> Self:
        """With the key of the stack of this name, or the one in TOKEN_SIGNING_KEY, or of the stack in STACK."""
        if stack is None and (file := given.get("TOKEN_SIGNING_KEY")):
            return cls(Path(file), production=given.get("ENVIRONMENT") == "production")
        return cls(_key_of(stack or given.get("STACK")))

    def of(self, subject: str, scope: str = "") -> str:
        """A token of this customer."""
        issued_at, token = self._issued.get((subject, scope), (0.0, ""))
        if time.time() - issued_at > LIFETIME_SECONDS / 2:
            token = self.sign({"sub": subject, **({"scope": scope} if scope else {})})
            self._issued[subject, scope] = time.time(), token
        return token

    def header(self, subject: str) -> dict[str, str]:
        """The header this customer sends; `admin` is the shop itself, and may do what only the shop may."""
        return {"Authorization": f"Bearer {self.of(subject, ADMIN if subject == ADMIN else '')}"}

    def sign(self, claims: Mapping[str, Any], lifetime_seconds: float = LIFETIME_SECONDS) -> str:
        """Any claims; they come before those that are always there."""
        now = time.time()
        always = {"iat": int(now), "nbf": int(now), "exp": int(now + lifetime_seconds), "aud": AUDIENCE}
        return jwt.encode({**always, **claims}, self._key, ALGORITHM, headers={"kid": self._kid})


def _key_of(name: str | None) -> Path:
    import runtime  # noqa: PLC0415  where a key was given there may be nothing else: the load test's image has no stacks
    from native import StackError  # noqa: PLC0415
    from native.layout import DEFAULT_STACK  # noqa: PLC0415

    try:
        return runtime.running(name or DEFAULT_STACK).signing_key
    except StackError as error:
        raise NoKeyError(str(error)) from None
