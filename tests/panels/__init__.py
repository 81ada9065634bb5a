"""The live check: every panel shows data, and faults raise the alerts that they should."""
