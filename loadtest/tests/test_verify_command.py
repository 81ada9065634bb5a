"""The command line: three exit statuses, one line per invariant, mistakes as one sentence."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from verify_world import World, harmed

from verify import told
from verify.addresses import SECRETS, VARIABLES, Addresses
from verify.errors import CannotCheckError
from verify.report import Report, Result

pytest_plugins = ("verify_fixtures",)


def verify(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`python -m verify ..`, without what this process' environment says about another stack."""
    ours = {name: value for name, value in os.environ.items() if name not in VARIABLES.values()}
    command = [sys.executable, "-m", "verify", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=ours | environment, timeout=60)


def test_green_is_one_line_per_invariant_and_status_0(world: World) -> None:
    done = verify("--stack", world.stack.name, "--told", str(world.record))
    lines = done.stdout.splitlines()
    assert [line[:8] for line in lines[:-1]] == [f"ok   {number:>2} " for number in range(11)]
    assert lines[-1].startswith("every invariant holds")
    assert done.returncode == 0
    # The last acknowledgements may still be on their way: progress is told, apart from the report.
    assert all(line.startswith("waiting for rest: ") for line in done.stderr.splitlines())


def test_red_is_status_1_and_json_names_everybody(world: World) -> None:
    mine, harm = "sku = 'concert-floor'", "UPDATE stock SET sold = sold - 1, available = available + 1"
    with harmed(world.stack, "orders", "stock", mine, f"{harm} WHERE {mine}"):
        done = verify("--stack", world.stack.name, "--json")
    document = json.loads(done.stdout)
    assert (done.returncode, document["ok"]) == (1, False)
    (red,) = [invariant for invariant in document["invariants"] if not invariant["ok"]]
    (finding,) = red["findings"]
    assert red["number"] == 4
    assert [name.partition(":")[0] for name in finding["names"]] == ["concert-floor"]


def test_a_stack_that_does_not_run_is_status_2_and_one_sentence() -> None:
    done = verify(STACK="there-is-none")
    assert done.returncode == 2
    assert done.stderr == "cannot check: 'there-is-none' does not run: start it with: make up STACK=there-is-none\n"


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("nonsense", "line 2: "),
        ('{"customer": "c", "items": {}, "status": 409}', "line 2: key Field required"),
        ('{"key": "k", "customer": "c", "items": {}, "status": 202}', "order_id is missing after status 202"),
        ('{"key": "k", "customer": "c", "items": {}, "status": "lost"}', "line 2: status"),
    ],
)
def test_in_a_wrong_record_the_line_is_named(tmp_path: Path, line: str, complaint: str) -> None:
    file = tmp_path / "told.jsonl"
    file.write_text(f'{{"key": "k", "customer": "c", "items": {{}}, "status": 409}}\n{line}\n')
    with pytest.raises(CannotCheckError, match=complaint) as refused:
        told.read(file)
    assert "\n" not in str(refused.value)


def test_a_wrong_record_is_status_2_and_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "told.jsonl"
    file.write_text("nonsense\n")
    done = verify("--told", str(file))
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert f"{file}, line 1: " in done.stderr


def test_what_the_environment_says_goes_before_the_stack(world: World, tmp_path: Path) -> None:
    given = dict.fromkeys(VARIABLES.values(), "elsewhere")
    for field in SECRETS:
        (tmp_path / field).write_text(f"{field} from a file\n")
    addresses = Addresses.load(given={**given, "QS_SECRETS_DIR": str(tmp_path)})
    assert (addresses.edge, addresses.verifier_password) == ("elsewhere", "verifier_password from a file")

    some = Addresses.load(given={"EDGE_URL": "elsewhere", "STACK": world.stack.name})
    assert (some.edge, some.provider) == ("elsewhere", world.addresses.provider)


async def test_a_server_that_does_not_answer_cannot_be_checked(world: World) -> None:
    for field in ("postgres_replica", "amqp", "management", "provider", "mailsink"):
        there = getattr(world.addresses, field)
        nowhere = "http://127.0.0.1:1" if there.startswith("http") else "127.0.0.1:1"
        lost = World(**{**vars(world), "addresses": Addresses(**{**vars(world.addresses), field: nowhere})})
        with pytest.raises(CannotCheckError, match=r"127\.0\.0\.1:1"):
            await lost.check()


def test_ten_names_are_shown_and_the_rest_counted() -> None:
    result = Result(3, "money", {"captured": 1234})
    result.blame("charged twice", [f"order-{number:02}" for number in range(13)])
    lines = Report([result], 1.0).lines
    assert lines[0] == "RED   3  money: 1,234 captured"
    assert lines[1].strip() == "charged twice:"
    assert [line.strip() for line in lines[2:13]] == [*(f"order-{number:02}" for number in range(10)), "+3 more"]
    assert lines[-1] == "RED: 3 (1.0 s)"
