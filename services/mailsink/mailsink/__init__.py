"""A mail server that keeps what it is sent: SMTP in front, the part of Mailpit's HTTP API that checks need behind."""
