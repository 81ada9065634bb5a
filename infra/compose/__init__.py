"""The stack of docker-compose.yml as one project, for Python: docs/compose.md is the manual."""

from compose.project import Project

__all__ = ["Project"]
