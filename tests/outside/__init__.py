"""The stack as seen from outside: what the tests do to it, and everything they can see of it."""
