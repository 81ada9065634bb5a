"""Finding the stack that runs under a name, and choosing how to start one."""

import os
from typing import Literal, TypeAlias

import compose.environment
import native.environment
from compose import Project, engine, images
from native import Stack, StackError

Running: TypeAlias = Stack | Project
Runtime = Literal["compose", "native"]


def running(name: str) -> Running:
    """The stack of this name, whichever way it runs. Raises `StackError` where none does."""
    wanted = forced()
    if wanted != "compose" and (stack := Stack(name)).running:
        return stack
    if wanted != "native" and (project := _project(name)) is not None:
        return project
    raise StackError(f"'{name}' does not run: start it with: make up STACK={name}")


def variables(stack: Running) -> dict[str, str]:
    """Its addresses, under the names that tools read from the environment."""
    if isinstance(stack, Stack):
        return native.environment.variables(stack)
    return compose.environment.variables(stack)


def for_up(name: str) -> tuple[Runtime, str]:
    """How to bring this stack up, and why: as it runs already, as RUNTIME says, or as this machine can."""
    if wanted := forced():
        return wanted, "RUNTIME says so"
    if Stack(name).running:
        return "native", "it runs natively already"
    if _project(name) is not None:
        return "compose", "it runs in containers already"
    try:
        answers = engine.refuse_unfit()
        where = images.choose().where
    except StackError as error:
        return "native", str(error)
    return "compose", f"{answers} answer, with {where}"


def for_down(name: str) -> Runtime:
    """Where there is something to take down: what runs, or else what a project has left behind."""
    if wanted := forced():
        return wanted
    try:
        return kind(running(name))
    except StackError:
        return "compose" if _has_leftovers(name) else "native"


def kind(stack: Running) -> Runtime:
    """Which way it runs."""
    return "native" if isinstance(stack, Stack) else "compose"


def forced() -> Runtime | None:
    """What RUNTIME says. Raises `StackError` if it is none of the two."""
    match os.environ.get("RUNTIME") or None:
        case None:
            return None
        case "compose":
            return "compose"
        case "native":
            return "native"
        case other:
            raise StackError(f"RUNTIME={other} cannot be: choose compose or native")


def _project(name: str) -> Project | None:
    """The project, if it runs; that there is no engine means that it does not."""
    try:
        project = Project(name)
        runs = project.running
    except StackError:
        return None
    return project if runs else None


def _has_leftovers(name: str) -> bool:
    try:
        return Project(name).exists
    except StackError:
        return False
