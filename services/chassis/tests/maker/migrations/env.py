"""Alembic's entry point; the chassis knows how to reach the database."""

from chassis.migrations import run_in_environment

run_in_environment()
