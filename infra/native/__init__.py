"""The native stack: the whole deployment as plain processes on one machine. See README.md beside this file."""

from native.errors import StackError
from native.ports import Ports, free_base
from native.stack import Stack

__all__ = ["Ports", "Stack", "StackError", "free_base"]
