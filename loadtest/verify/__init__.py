"""Whether every promise was kept: the ten invariants, checked against databases, broker, provider and mail server.

`python -m verify --help`; docs/verify.md says what each invariant reads and what red looks like.
"""
