"""Settings: whatever is wrong with them is told in one sentence that names it, before anything starts."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from chassis.settings import DEV_SECRET_MARK, MigrationSettings, ServiceSettings, SettingsError

GIVEN = {
    "QS_HTTP_PORT": "8000",
    "QS_INTERNAL_PORT": "8001",
    "QS_DATABASE_HOSTS": "a:5432, b:5433",
    "QS_DATABASE_NAME": "things",
    "QS_DATABASE_USER": "thing_app",
    "QS_DATABASE_PASSWORD": "of the database",
    "QS_BROKER_HOST": "broker",
    "QS_BROKER_USER": "thing",
    "QS_BROKER_PASSWORD": "of the broker",
    "QS_REDIS_HOST": "redis",
    "QS_REDIS_USER": "thing",
    "QS_REDIS_PASSWORD": "of redis",
}
SECRETS = ("QS_DATABASE_PASSWORD", "QS_BROKER_PASSWORD", "QS_REDIS_PASSWORD")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """Everything that is needed, and no secret files."""
    for name, value in {**GIVEN, "QS_SECRETS_DIR": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def refusal(of: Any = ServiceSettings) -> str:
    """The sentence with which loading ends."""
    with pytest.raises(SettingsError) as error:
        of.load()
    assert "\n" not in str(error.value)
    return str(error.value)


def test_settings_come_typed_from_the_environment() -> None:
    settings = ServiceSettings.load()
    assert (settings.http_port, settings.environment) == (8000, "development")
    assert settings.nodes == [("a", 5432), ("b", 5433)]
    assert settings.database_password.get_secret_value() == "of the database"


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError):
        ServiceSettings.load().http_port = 1


@pytest.mark.parametrize("name", GIVEN)
def test_a_missing_variable_is_named(environment: pytest.MonkeyPatch, name: str) -> None:
    environment.delenv(name)
    assert f"{name} is not set" in refusal()


@pytest.mark.parametrize("name", SECRETS)
def test_a_missing_secret_is_named_with_the_file_it_may_be_in(environment: pytest.MonkeyPatch, name: str) -> None:
    environment.delenv(name)
    assert f"a file '{name.removeprefix('QS_').lower()}' in QS_SECRETS_DIR" in refusal()


def test_every_fault_is_named_at_once(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("QS_BROKER_HOST")
    environment.setenv("QS_HTTP_PORT", "http")
    sentence = refusal()
    assert "QS_BROKER_HOST" in sentence
    assert "QS_HTTP_PORT" in sentence


def test_an_unknown_variable_is_named(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("QS_DATABSE_POOL_SIZE", "3")
    assert "QS_DATABSE_POOL_SIZE" in refusal()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("QS_HTTP_PORT", ""),
        ("QS_HTTP_PORT", "0"),
        ("QS_INTERNAL_PORT", "65536"),
        ("QS_PARTITIONS", "0"),
        ("QS_PARTITIONS", "65"),
        ("QS_PARTITIONS", "4.5"),
        ("QS_DATABASE_POOL_SIZE", "1"),
        ("QS_EFFECT_LEASE_SECONDS", "-1"),
        ("QS_LOG_LEVEL", "loud"),
        ("QS_OTLP_ENDPOINT", "tempo:4318"),
        ("ENVIRONMENT", "prod"),
        ("QS_DATABASE_HOSTS", ""),
        ("QS_DATABASE_HOSTS", "a"),
        ("QS_DATABASE_HOSTS", "a:5432,"),
        ("QS_DATABASE_HOSTS", "a:x"),
        ("QS_DATABASE_HOSTS", ":5432"),
        ("QS_DATABASE_HOSTS", "a:70000"),
    ],
)
def test_a_malformed_variable_is_named(environment: pytest.MonkeyPatch, name: str, value: str) -> None:
    environment.setenv(name, value)
    assert name in refusal()


def test_a_call_may_not_outlast_its_lease(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("QS_CALL_TIMEOUT_SECONDS", "10")
    environment.setenv("QS_EFFECT_LEASE_SECONDS", "10")
    assert "call_timeout_seconds must be less than effect_lease_seconds" in refusal()


def test_a_secret_may_be_a_file(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment.delenv("QS_DATABASE_PASSWORD")
    (tmp_path / "database_password").write_text("from a file\n")
    assert ServiceSettings.load().database_password.get_secret_value() == "from a file"


def test_the_environment_goes_before_a_file(tmp_path: Path) -> None:
    (tmp_path / "database_password").write_text("from a file")
    assert ServiceSettings.load().database_password.get_secret_value() == "of the database"


def test_a_file_of_another_settings_name_is_no_setting(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment.delenv("QS_HTTP_PORT")
    (tmp_path / "http_port").write_text("8000")
    assert "QS_HTTP_PORT is not set" in refusal()


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize("in_file", [True, False], ids=["in a file", "in the environment"])
def test_production_refuses_a_development_secret(
    environment: pytest.MonkeyPatch, tmp_path: Path, name: str, *, in_file: bool
) -> None:
    field, value = name.removeprefix("QS_").lower(), f"{DEV_SECRET_MARK}1234"
    if in_file:
        environment.delenv(name)
        (tmp_path / field).write_text(value)
    else:
        environment.setenv(name, value)
    assert ServiceSettings.load()
    environment.setenv("ENVIRONMENT", "production")
    sentence = refusal()
    assert f"{field} is a development secret" in sentence
    assert value not in sentence


def test_production_starts_with_secrets_of_its_own(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("ENVIRONMENT", "production")
    assert ServiceSettings.load().environment == "production"


def test_production_refuses_an_armed_fault(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("FAULT", "crash:relay.after_send:1")
    assert ServiceSettings.load().fault
    environment.setenv("ENVIRONMENT", "production")
    assert "FAULT" in refusal()


def test_a_migration_refuses_what_a_service_refuses(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in GIVEN:
        environment.delenv(name)
    sentence = refusal(MigrationSettings)
    assert "QS_DATABASE_HOSTS is not set" in sentence
    assert "a file 'owner_password' in QS_SECRETS_DIR" in sentence
    environment.setenv("QS_DATABASE_HOSTS", "a")
    (tmp_path / "owner_password").write_text(f"{DEV_SECRET_MARK}1")
    assert "QS_DATABASE_HOSTS" in refusal(MigrationSettings)
    environment.setenv("QS_DATABASE_HOSTS", "a:1")
    assert MigrationSettings.load()
    environment.setenv("ENVIRONMENT", "production")
    assert "owner_password is a development secret" in refusal(MigrationSettings)


def test_secrets_are_not_shown() -> None:
    settings = ServiceSettings.load()
    for text in (repr(settings), str(settings), settings.model_dump_json()):
        assert "of the database" not in text


def test_a_process_with_wrong_settings_says_so_in_one_sentence_and_ends(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "owner_password").write_text("of the owner")
    environment.setenv("QS_DATABASE_HOSTS", "nonsense")
    command = [sys.executable, "-m", "chassis", "migrate", "order"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "QS_DATABASE_HOSTS" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_an_unknown_service_is_named() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "chassis", "serve", "nobody"], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2
    assert "no service named 'nobody' is installed" in ended.stderr
