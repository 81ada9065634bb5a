"""The saga doctor: which step an overdue order waits for, told from the rows alone."""
