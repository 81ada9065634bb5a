"""Asking a process whether it serves: one question, a short timeout, yes or no."""

import base64
import http.client
import socket

from native.ports import HOST

TIMEOUT_SECONDS = 1.0


def http_ok(port: int, path: str, *, user: str = "", password: str = "") -> bool:
    """Whether GET `path` answers 200."""
    return http_status(port, path, user=user, password=password) == 200


def http_status(port: int, path: str, *, user: str = "", password: str = "") -> int | None:
    """What GET `path` answers, if anything."""
    connection = http.client.HTTPConnection(HOST, port, timeout=TIMEOUT_SECONDS)
    credentials = base64.b64encode(f"{user}:{password}".encode()).decode()
    headers = {"Authorization": f"Basic {credentials}"} if user else {}
    try:
        connection.request("GET", path, headers=headers)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def says(port: int, question: bytes, answer: bytes) -> bool:
    """Whether the line sent is answered with these bytes first. An empty question waits for a greeting."""
    try:
        with socket.create_connection((HOST, port), timeout=TIMEOUT_SECONDS) as connection:
            connection.sendall(question)
            return connection.recv(len(answer)) == answer
    except OSError:
        return False


def listens(port: int) -> bool:
    """Whether somebody accepts connections."""
    try:
        with socket.create_connection((HOST, port), timeout=TIMEOUT_SECONDS):
            return True
    except OSError:
        return False
