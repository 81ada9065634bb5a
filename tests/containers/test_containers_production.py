"""Secrets of one's own: made by one command, and taken by everything that refuses the committed ones."""

import os
import time
from pathlib import Path

import jwt
import pytest

from bearer import Tokens
from chassis.keys import KeyFile
from compose import before, prepare
from compose.production import COMMITTED, make_secrets, rotate_key
from native import StackError


@pytest.fixture
def production(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENVIRONMENT", "production")


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A new directory of secrets, made by somebody whose files are usually their own."""
    mask = os.umask(0o077)
    make_secrets(tmp_path / "own" / "secrets")
    os.umask(mask)
    return tmp_path / "own" / "secrets"


def files(directory: Path) -> dict[str, str]:
    """Content by place."""
    return {str(file.relative_to(directory)): file.read_text() for file in directory.rglob("*") if file.is_file()}


@pytest.mark.usefixtures("production")
def test_what_is_made_is_complete_and_fit_for_production(made: Path) -> None:
    assert files(made).keys() == files(COMMITTED).keys()
    before.refuse_secrets(made)
    for place in before.PASSWORDS:
        prepare.check(made / place)
    assert len(set(files(made).values())) == len(files(made))


def test_nobody_else_enters_and_everybody_inside_reads(made: Path) -> None:
    assert made.stat().st_mode & 0o777 == 0o700
    assert {each.stat().st_mode & 0o777 for each in made.iterdir()} == {0o755}
    assert {(made / place).stat().st_mode & 0o777 for place in files(made)} == {0o644}


def test_services_in_production_accept_what_its_key_signs(made: Path) -> None:
    key, public = str(made / before.SIGNING_KEY), made / before.TOKEN_KEYS
    token = Tokens.load(given={"TOKEN_SIGNING_KEY": key, "ENVIRONMENT": "production"}).of("me")
    found = KeyFile(public, production=True).find(jwt.get_unverified_header(token)["kid"])
    assert found is not None
    assert jwt.decode(token, found, ["ES256"], audience="quicksand")["sub"] == "me"


def test_services_accept_a_new_key_and_the_one_before_without_a_restart(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, public = made / before.SIGNING_KEY, made / before.TOKEN_KEYS
    clock = iter(range(0, 100, 2))
    seen = KeyFile(public, production=True, clock=lambda: next(clock))
    issued = [Tokens(key).of("me")]
    monkeypatch.setattr(time, "sleep", lambda _: issued.append(Tokens(key).of("you")))  # while services look
    for _ in range(2):
        rotate_key(made)
        issued.append(Tokens(key).of("me"))
        kids = [jwt.get_unverified_header(token)["kid"] for token in issued[-3:]]
        assert kids[0] == kids[1] != kids[2]
        assert all(seen.find(kid) for kid in kids)
    assert seen.find(jwt.get_unverified_header(issued[0])["kid"]) is None
    assert {(made / place).stat().st_mode & 0o777 for place in files(made)} == {0o644}


def test_the_committed_key_is_not_rotated() -> None:
    first = files(COMMITTED)
    with pytest.raises(StackError, match=r"is development's and stays: make one of your own .make secrets"):
        rotate_key(COMMITTED.parent / "secrets")
    assert files(COMMITTED) == first


@pytest.mark.parametrize("place", [before.SIGNING_KEY, before.TOKEN_KEYS])
def test_a_key_that_is_elsewhere_is_not_rotated(made: Path, place: str) -> None:
    (made / place).unlink()
    with pytest.raises(StackError, match=rf"there is no .*{place}: rotate keys where tokens are signed"):
        rotate_key(made)


def test_made_again_only_what_is_missing_is_new(made: Path) -> None:
    first = files(made)
    (made / "redis" / "order").unlink()
    assert make_secrets(made) == 1
    second = files(made)
    assert second.keys() == first.keys()
    assert {place for place in first if first[place] != second[place]} == {"redis/order"}


def test_a_public_key_without_its_private_one_stays(made: Path) -> None:
    first = files(made)
    (made / before.SIGNING_KEY).unlink()
    assert make_secrets(made) == 0
    assert files(made).items() < first.items()


def test_a_place_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    with pytest.raises(StackError, match=r"taken cannot be written \(File exists\): choose another directory"):
        make_secrets(tmp_path / "taken")
