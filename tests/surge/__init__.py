"""A surge against a stack of its own: `make test-surge`."""
