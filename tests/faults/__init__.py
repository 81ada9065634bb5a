"""Attacks on the messaging core, each followed by `verify`: docs/fault-suite.md."""
