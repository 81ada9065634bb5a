"""The demonstration: orders that end in every way an order can, each with its chain of events, and then `verify`."""
