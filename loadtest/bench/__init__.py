"""The bench: how many orders a second the native stack carries all the way, and what each one costs."""
