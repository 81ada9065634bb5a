"""`python -m order`: serve until SIGTERM, finish what was begun, exit 0."""

from order.app import service

if __name__ == "__main__":
    service.run()
