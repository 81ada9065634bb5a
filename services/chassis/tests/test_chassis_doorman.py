"""A token that was checked before is let in without its signature being checked again, as long as nothing changed."""

import json
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from chassis_kit import SettingsOf
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

import chassis.auth
import chassis.keys
from chassis.auth import LEEWAY_SECONDS, Doorman
from chassis.errors import ProblemError

LIFETIME_SECONDS = 600


class Issuer:
    """Signs tokens, and publishes its key in a file; `rotate` replaces the key under the same name."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.rotate()

    def rotate(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        public: dict[str, Any] = ECAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        self.file.with_suffix(".new").write_text(json.dumps({"keys": [{**public, "kid": "k"}]}))
        self.file.with_suffix(".new").replace(self.file)

    def header(self, subject: str) -> str:
        claims = {"sub": subject, "aud": "quicksand", "exp": int(time.time()) + LIFETIME_SECONDS}
        return "Bearer " + jwt.encode(claims, self._key, "ES256", {"kid": "k"})


@pytest.fixture
def issuer(tmp_path: Path) -> Issuer:
    return Issuer(tmp_path / "keys.json")


@pytest.fixture
def doorman(issuer: Issuer, settings: SettingsOf) -> Doorman:
    return Doorman(settings(token_keys_file=issuer.file))


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tokens whose signature was checked."""
    checked: list[str] = []
    decode = jwt.decode

    def counted(token: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
        checked.append(token)
        return decode(token, *args, **kwargs)

    monkeypatch.setattr(jwt, "decode", counted)
    return checked


def test_a_signature_is_checked_once(issuer: Issuer, doorman: Doorman, checks: list[str]) -> None:
    header = issuer.header("me")
    assert {doorman.caller(header).customer for _ in range(3)} == {"me"}
    assert len(checks) == 1


def test_a_token_ends_although_it_is_known(issuer: Issuer, doorman: Doorman, monkeypatch: pytest.MonkeyPatch) -> None:
    header = issuer.header("me")
    doorman.caller(header)
    ended = time.time() + LIFETIME_SECONDS + LEEWAY_SECONDS + 1
    monkeypatch.setattr(time, "time", lambda: ended)
    monkeypatch.setattr(jwt, "decode", _expired)
    with pytest.raises(ProblemError, match="expired"):
        doorman.caller(header)


def _expired(*_: Any, **__: Any) -> dict[str, Any]:
    raise jwt.ExpiredSignatureError


def test_a_token_is_worth_nothing_once_its_key_was_replaced(
    issuer: Issuer, doorman: Doorman, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chassis.keys, "LOOK_SECONDS", 0)
    header = issuer.header("me")
    doorman.caller(header)
    issuer.rotate()
    with pytest.raises(ProblemError, match="wrong signature"):
        doorman.caller(header)


def test_what_was_refused_is_checked_again(issuer: Issuer, doorman: Doorman, checks: list[str]) -> None:
    header = issuer.header("me")[:-4] + "AAAA"
    for _ in range(2):
        with pytest.raises(ProblemError, match="wrong signature"):
            doorman.caller(header)
    assert len(checks) == 2


def test_only_the_tokens_seen_last_are_remembered(
    issuer: Issuer, doorman: Doorman, checks: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chassis.auth, "KNOWN_TOKENS", 2)
    headers = [issuer.header(f"customer-{n}") for n in range(3)]
    for header in (*headers, headers[2], headers[0]):
        doorman.caller(header)
    assert len(checks) == 4
