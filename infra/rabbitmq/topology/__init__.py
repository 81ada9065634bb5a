"""The messaging topology, generated from the services' events, applied to the broker, and compared with it.

`python -m topology --help` lists the commands. `apply` and `users` need only the standard library and the committed
definitions.json, so that they run in a small container; `generate` and `check` read the services' `events.py`.
"""
