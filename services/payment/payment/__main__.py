"""`python -m payment`: serve until SIGTERM, finish what was begun, exit 0."""

from payment.app import service

if __name__ == "__main__":
    service.run()
