"""`python -m notification`: serve until SIGTERM, finish what was begun, exit 0."""

from notification.app import service

if __name__ == "__main__":
    service.run()
