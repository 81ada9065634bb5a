"""Migrations: one command per service, run as the schema's owner before the service starts."""

import asyncio
from importlib.resources import files
from typing import Any

from alembic import command, context
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine

from chassis.connect import AccessDeniedError, Connector, NoNodeError, create_engine
from chassis.db import Database, retrying
from chassis.settings import MigrationSettings, split_nodes


class NotMigratedError(SystemExit):
    """The database is not at this version: printed as one sentence, without a traceback, with exit status 1."""


class NoDatabaseError(SystemExit):
    """The database cannot be used: printed as one sentence, without a traceback, with exit status 1."""

    def __init__(self, error: Exception, secret: str) -> None:
        super().__init__(f"{error}. Check QS_DATABASE_HOSTS and the password in '{secret}'")


def _config(service: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(files(f"{service}.migrations")))
    return config


def migrate(service: str) -> None:
    """Bring the service's database to the version of the code. Running it again changes nothing."""
    settings = MigrationSettings.load()
    connector = Connector(
        split_nodes(settings.database_hosts),
        "primary",
        database=f"{service}s",
        user=f"{service}_owner",
        password=settings.owner_password.get_secret_value(),
    )
    upgrade(service, create_engine(connector.connect, "primary", size=2))


def upgrade(service: str, engine: AsyncEngine) -> None:
    """Apply the service's migrations on this engine, and dispose of it."""
    config = _config(service)
    config.attributes["engine"] = engine
    command.upgrade(config, "head")


def run_in_environment() -> None:
    """What a service's `migrations/env.py` calls; Alembic has set the context up."""
    try:
        asyncio.run(_upgrade(context.config.attributes["engine"]))
    except (NoNodeError, AccessDeniedError) as error:
        raise NoDatabaseError(error, "owner_password") from None


async def _upgrade(engine: AsyncEngine) -> None:
    async for attempt in retrying():
        with attempt:
            async with engine.begin() as connection:
                await connection.run_sync(_migrate_in)
    await engine.dispose()


def _migrate_in(connection: Any) -> None:
    # Two migration jobs at once: the second waits, then finds nothing to do.
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('migrations'))"))
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()


async def check_migrated(database: Database, service: str) -> None:
    """Raises `NotMigratedError` unless the database is at the code's version.

    Waits a while for the database itself; raises `NoDatabaseError` if it does not come.
    """
    wanted = ScriptDirectory.from_config(_config(service)).get_current_head()
    found = None
    try:
        async for attempt in retrying():
            with attempt:
                found = await _version(database)
    except (NoNodeError, AccessDeniedError) as error:
        raise NoDatabaseError(error, "database_password") from None
    if found != wanted:
        state = f"is at migration {found}" if found else "is not migrated"
        advice = f"run python -m chassis migrate {service}"
        raise NotMigratedError(f"database '{service}s' {state}, this service needs {wanted}: {advice}")


async def _version(database: Database) -> str | None:
    async with database.query("primary") as session:
        try:
            version: str | None = await session.scalar(text("SELECT version_num FROM alembic_version"))
        except ProgrammingError:
            return None
        return version
