"""What runs, since when, and where: one line per component."""

import time

from native import processes
from native.errors import StackError
from native.stack import Stack

URLS = {
    "edge": "the shop's API",
    "prometheus": "metrics",
    "alertmanager": "alerts",
    "rabbitmq": "the broker's management (user monitor)",
    "provider": "the payment provider's simulator",
    "mailsink": "the mails that were sent",
    "edge-metrics": "the edge's statistics",
}


def table(stack: Stack) -> tuple[list[str], bool]:
    """The lines, and whether everything serves."""
    if not stack.running:
        raise StackError(f"'{stack.name}' does not run: start it with: make up STACK={stack.name}")
    known = stack.supervisor.processes()
    lines, healthy = [f"{'COMPONENT':<18}{'STATE':<12}{'PID':>8}{'FOR':>10}  PORTS"], True
    for name, program in stack.programs.items():
        info = known.get(name, {"statename": "UNKNOWN", "pid": 0, "start": 0, "now": 0})
        state = _state(info, ready=program.ready())
        healthy = healthy and state == "ready"
        age = _age(info) if info["pid"] else "-"
        ports = " ".join(str(port) for port in program.ports.values())
        lines.append(f"{name:<18}{state:<12}{info['pid'] or '-':>8}{age:>10}  {ports}")
    return lines, healthy


def urls(stack: Stack) -> list[str]:
    """Where to look."""
    return [f"  {stack.url(name):<26}{what}" for name, what in URLS.items()]


def _state(info: dict[str, object], *, ready: bool) -> str:
    if info["pid"] and processes.is_frozen(int(str(info["pid"]))):
        return "frozen"
    return "ready" if ready else str(info["statename"]).lower()


def _age(info: dict[str, object]) -> str:
    seconds = int(time.time()) - int(str(info["start"]))
    return f"{seconds // 3600}h{seconds % 3600 // 60:02}m" if seconds >= 3600 else f"{seconds // 60}m{seconds % 60:02}s"
