"""A run, or several, on one page that needs nothing else: HTML with its pictures inside."""
