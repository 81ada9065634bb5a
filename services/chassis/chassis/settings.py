"""Typed, frozen settings from the environment and from secret files.

A variable is named `QS_` plus the field's name; a secret may also be a file of the field's name in `QS_SECRETS_DIR`.
A missing, malformed or unknown variable stops the start with one sentence that names it: a misspelt setting that is
silently ignored is an outage that waits.
"""

import os
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from chassis.faults import Fault

PREFIX = "QS_"
MAX_PORT = 65535
DEV_SECRET_MARK = "dev-only-"  # noqa: S105  a mark, not a secret


class SettingsError(SystemExit):
    """The settings are wrong: printed as one sentence, without a traceback, with exit status 1."""


def secrets_directory() -> Path:
    """Where secret files are."""
    return Path(os.environ.get(f"{PREFIX}SECRETS_DIR", "/run/secrets"))


class CheckedSettings(BaseSettings):
    """Settings that are read once, checked as a whole, and never hold a development secret in production."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    environment: Literal["development", "production"] = Field("development", validation_alias="ENVIRONMENT")

    @classmethod
    def load(cls) -> Self:
        """Read and check everything. Raises `SettingsError` naming each wrong variable and what is wrong."""
        try:
            return cls(**_secret_files(cls, secrets_directory()))
        except ValidationError as error:
            raise SettingsError(_sentence(cls, error)) from None

    @model_validator(mode="after")
    def refuse_dev_secrets_in_production(self) -> Self:
        """The committed development secrets are public: production never starts with one."""
        if self.environment == "production":
            for name in type(self).model_fields:
                value = getattr(self, name)
                if isinstance(value, SecretStr) and value.get_secret_value().startswith(DEV_SECRET_MARK):
                    raise ValueError(f"{name} is a development secret; put one of your own in its secret file")
        return self


class BaseProcessSettings(CheckedSettings):
    """What every process of the project is told: services and simulators alike."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    http_host: str = "127.0.0.1"
    http_port: int = Field(ge=1, le=65535)

    @classmethod
    def load(cls) -> Self:
        """Read and check everything. Raises `SettingsError` naming each wrong, missing or unknown variable."""
        _refuse_unknown(cls)
        return super().load()


class ServiceSettings(BaseProcessSettings):
    """What every service is told. A service adds its own fields and the defaults of the names it owns."""

    internal_port: int = Field(ge=1, le=65535)

    database_hosts: str = Field(description="host:port of every node, in any order: a:5432,b:5432")
    database_name: str
    database_user: str
    database_password: SecretStr
    database_pool_size: int = Field(10, ge=2, description="of each pool: HTTP, workers, replica")

    broker_host: str
    broker_port: int = Field(5672, ge=1, le=65535)
    broker_user: str
    broker_password: SecretStr
    broker_heartbeat_seconds: int = Field(5, ge=1)

    redis_host: str
    redis_port: int = Field(6379, ge=1, le=65535)
    redis_user: str = Field(description="also what this service's keys begin with")
    redis_password: SecretStr
    redis_timeout_seconds: float = Field(0.05, gt=0, description="of everything one question to Redis takes")

    token_keys_file: Path = Field(
        default_factory=lambda: secrets_directory() / "token_keys.json",
        description="the JWKS that tokens are checked with",
    )
    token_audience: str = Field("quicksand", min_length=1, description="whom a token must be meant for")

    customer_requests_per_second: float = Field(100, gt=0, description="what one customer may ask in the long run")
    customer_burst: int = Field(500, ge=1, description="what one customer may ask at once after a pause")
    target_seconds: float = Field(
        1, gt=0, description="answers slower than this on average: fewer at once are taken on"
    )
    most_backlog_seconds: float = Field(30, gt=0, description="an outbox older than this: no more orders are accepted")

    otlp_endpoint: str = Field("", description="the OTLP/HTTP collector that traces go to; empty: nothing is traced")

    partitions: int = Field(4, ge=1, le=64)
    metrics: bool = Field(True, description="off to measure what counting costs: dashboards see nothing then")  # noqa: FBT003  pydantic's own way
    fault: str | None = Field(None, validation_alias="FAULT", description="a crash point to arm: see chassis.faults")
    effect_concurrency: int = Field(
        32, ge=1, description="calls to the same other side at the same time (its bulkhead)"
    )
    effect_lease_seconds: float = Field(10, gt=0, description="from claiming an effect to somebody else's claim")
    call_timeout_seconds: float = Field(2, gt=0, description="of one call to the outside world")

    @model_validator(mode="after")
    def check_fault(self) -> Self:
        """Faults are for tests and drills."""
        if self.fault is not None:
            Fault.parse(self.fault)
            if self.environment == "production":
                raise ValueError("FAULT must not be set in production")
        return self

    @model_validator(mode="after")
    def order_times(self) -> Self:
        """A call must be over before its lease is, or two would be under way as a matter of course."""
        if self.call_timeout_seconds >= self.effect_lease_seconds:
            raise ValueError("call_timeout_seconds must be less than effect_lease_seconds")
        return self

    @field_validator("database_hosts", mode="after")
    @classmethod
    def check_hosts(cls, value: str) -> str:
        """Each node needs its port."""
        split_nodes(value)
        return value

    @field_validator("otlp_endpoint", mode="after")
    @classmethod
    def check_endpoint(cls, value: str) -> str:
        """Only HTTP is spoken."""
        if value and not value.startswith(("http://", "https://")):
            raise ValueError(f"'{value}' is not a URL such as http://tempo:4318")
        return value

    @property
    def nodes(self) -> list[tuple[str, int]]:
        """The database nodes as (host, port)."""
        return split_nodes(self.database_hosts)


class MigrationSettings(CheckedSettings):
    """What a migration job is told: only the way to the database, as the role that owns the schema.

    It may run in its service's environment, whose other settings are no business of its.
    """

    database_hosts: str
    owner_password: SecretStr

    @field_validator("database_hosts")
    @classmethod
    def check_hosts(cls, value: str) -> str:
        """Each node needs its port."""
        split_nodes(value)
        return value


def split_nodes(hosts: str) -> list[tuple[str, int]]:
    """`a:5432,b:5432` as (host, port) pairs. Raises `ValueError` naming the part that is not host:port."""
    nodes = []
    for part in hosts.split(","):
        host, _, port = part.strip().rpartition(":")
        if not host or not port.isdigit() or not 1 <= int(port) <= MAX_PORT:
            raise ValueError(f"'{part}' is not host:port")
        nodes.append((host, int(port)))
    return nodes


def _variable(cls: type[BaseSettings], field: str) -> str:
    info = cls.model_fields.get(field)
    if info is not None and isinstance(info.validation_alias, str):
        return info.validation_alias
    return field if info is None else f"{PREFIX}{field.upper()}"


def _refuse_unknown(cls: type[BaseSettings]) -> None:
    known = {_variable(cls, field) for field in cls.model_fields} | {f"{PREFIX}SECRETS_DIR"}
    unknown = sorted(name for name in os.environ if name.startswith(PREFIX) and name not in known)
    if unknown:
        raise SettingsError(f"unknown setting {', '.join(unknown)}: remove it or correct its spelling")


def _secret_files(cls: type[BaseSettings], directory: Path) -> dict[str, Any]:
    """Secrets from files; one that the environment also gives comes from there."""
    found = {}
    for name, info in cls.model_fields.items():
        file = directory / name
        if info.annotation is SecretStr and _variable(cls, name) not in os.environ and file.is_file():
            found[name] = SecretStr(file.read_text().strip())
    return found


def _sentence(cls: type[BaseSettings], error: ValidationError) -> str:
    faults = []
    for fault in error.errors():
        field = str(fault["loc"][0]) if fault["loc"] else ""
        message = fault["msg"].removeprefix("Value error, ")
        if fault["type"] == "missing":
            is_secret = field in cls.model_fields and cls.model_fields[field].annotation is SecretStr
            where = f" (or a file '{field}' in {PREFIX}SECRETS_DIR)" if is_secret else ""
            message = f"is not set{where}"
        faults.append(f"{_variable(cls, field)} {message}".strip())
    return f"wrong settings: {'; '.join(faults)}"
