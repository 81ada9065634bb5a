"""`python -m payment settle <day>`."""

from payment.settling import main

main()
