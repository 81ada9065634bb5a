"""What a broker loads at boot: everybody with a hashed password and their tag, and nobody without a secret."""

import base64
import hashlib
import json
from pathlib import Path

import pytest

from topology.drift import tags
from topology.files import read_definitions
from topology.users import boot_definitions, password_hash, run

USERS = ["monitor", "notification", "order", "payment", "topology"]


@pytest.fixture
def secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("QS_SECRETS_DIR", str(tmp_path))
    for user in USERS:
        (tmp_path / f"{user}_password").write_text(f"dev-only-{user}\n")
    return tmp_path


def test_a_hash_is_the_brokers_own_format() -> None:
    salt = bytes.fromhex("908dc60a")
    assert password_hash("test12", salt) == "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR"


@pytest.mark.usefixtures("secrets")
def test_everybody_has_a_password_from_their_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(read_definitions()) == 0
    boot = json.loads(capsys.readouterr().out)
    assert [user["name"] for user in boot["users"]] == USERS
    for user in boot["users"]:
        salted = base64.b64decode(user["password_hash"])
        assert salted[4:] == hashlib.sha256(salted[:4] + f"dev-only-{user['name']}".encode()).digest()
    assert boot["permissions"] == read_definitions()["permissions"]
    assert [vhost["name"] for vhost in boot["vhosts"]] == ["notifications", "orders", "payments"]


@pytest.mark.usefixtures("secrets")
def test_services_have_no_tag() -> None:
    boot = boot_definitions(read_definitions())
    assert {user["name"]: user["tags"] for user in boot["users"] if user["tags"]} == {
        "monitor": ["monitoring"],
        "topology": ["administrator"],
    }


def test_a_tag_that_should_not_be_there_is_a_difference() -> None:
    live = [{"name": "order", "tags": ["administrator"]}, {"name": "monitor", "tags": ["monitoring"]}]
    assert list(tags(["monitor", "order"], live)) == [
        "different tags of user order: they are administrator and should be none; rabbitmqctl set_user_tags order"
    ]


@pytest.mark.parametrize("text", [None, "", "\n"])
def test_a_missing_or_empty_secret_is_named(secrets: Path, text: str | None) -> None:
    file = secrets / "payment_password"
    if text is None:
        file.unlink()
    else:
        file.write_text(text)
    with pytest.raises(SystemExit, match="no password for broker user 'payment'"):
        boot_definitions(read_definitions())


def test_production_refuses_development_secrets(secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENVIRONMENT", "production")
    with pytest.raises(SystemExit, match="monitor_password holds a development secret"):
        boot_definitions(read_definitions())
    for user in USERS:
        (secrets / f"{user}_password").write_text(f"long-and-random-{user}")
    boot_definitions(read_definitions())


@pytest.mark.usefixtures("secrets")
def test_a_misspelt_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QS_SECRET_DIR", "/tmp")  # noqa: S108  never used
    with pytest.raises(SystemExit, match="unknown setting QS_SECRET_DIR"):
        run(read_definitions())
