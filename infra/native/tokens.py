"""The key that bearer tokens are signed with, made by the first `up`, and the public keys that they are checked with.

`tokens/signing_key.json` (a private JWK) is for whoever issues tokens: `make token` and the tests. The services get
`token_keys.json` (a JWKS of public keys) in their QS_SECRETS_DIR and look at it every second.
"""

import json
import secrets
import time
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from native.layout import Layout
from native.ports import SERVICES

Jwk = dict[str, Any]

KEPT = 2  # public keys: the current one, and the one before, until its tokens have expired
SEEN_SECONDS = 2.0  # until every service has looked at a new file


def signing_key(layout: Layout) -> Path:
    """The private key's file."""
    return layout.secrets / "tokens" / "signing_key.json"


def generate(layout: Layout) -> None:
    """Make a key where there is none; hand the public ones out."""
    if not signing_key(layout).exists():
        new = _new_key()
        _write(_jwks(layout), {"keys": [_public(new)]})
        _write(signing_key(layout), new)
    _hand_out(layout, json.loads(_jwks(layout).read_text()))


def rotate(layout: Layout) -> None:
    """Sign with a new key from now on. Tokens of the one before stay valid until the next rotation."""
    new = _new_key()
    known = json.loads(_jwks(layout).read_text())["keys"]
    _hand_out(layout, {"keys": [_public(new), *known][:KEPT]})
    time.sleep(SEEN_SECONDS)  # the first token of a key must not be ahead of the key
    _write(signing_key(layout), new)


def _jwks(layout: Layout) -> Path:
    return layout.secrets / "tokens" / "token_keys.json"


def _hand_out(layout: Layout, jwks: Jwk) -> None:
    _write(_jwks(layout), jwks)
    for service in SERVICES:
        _write(layout.secrets / "for" / service / "token_keys.json", jwks)


def _new_key() -> Jwk:
    key: Jwk = ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()), as_dict=True)
    return {**key, "kid": secrets.token_hex(4), "alg": "ES256", "use": "sig"}


def _public(key: Jwk) -> Jwk:
    return {name: value for name, value in key.items() if name != "d"}


def _write(file: Path, content: Jwk) -> None:
    """Whole or not at all: somebody may be reading it."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = file.with_suffix(".new")
    fresh.touch(mode=0o600)
    fresh.write_text(json.dumps(content, indent=2) + "\n")
    fresh.replace(file)
