"""A service's image has not the others' code: who republishes to one brings that along, as docs/messaging.md says."""

import re
from datetime import UTC, datetime, timedelta

from compose import Project
from containers.live.conftest import compose
from native.layout import CHECKOUT


def test_what_the_demonstration_told_a_subscriber_can_be_sent_again(project: Project) -> None:
    code = f"{CHECKOUT}/services/payment/payment:/opt/service/payment:ro"
    since = (datetime.now(UTC) - timedelta(hours=1)).isoformat(timespec="seconds")
    command = ["outbox", "republish", "order", "--to", "payment", "--since", since, "--dry-run"]
    done = compose(project, "run", "--rm", "--no-deps", "-v", code, "order", "python", "-m", "chassis", *command)
    assert re.fullmatch(r"[1-9]\d* events would be republished to payment\s*", done.stdout), done.stderr
