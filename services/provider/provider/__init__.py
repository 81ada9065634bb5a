"""A card-payment provider as seen from outside: its HTTP API, its own durable ledger, and faults on demand."""
