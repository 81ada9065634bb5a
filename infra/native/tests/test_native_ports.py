"""Port blocks: nobody shares a port, and a taken one is named."""

import socket
import subprocess

import pytest

from native.errors import StackError
from native.layout import INFRA, PYTHON
from native.ports import BLOCK, MAX_REPLICAS, OFFSETS, SERVICES, Ports, free_base, instance, parse_base, refuse_taken


def all_ports(base: int) -> list[int]:
    ports = Ports(base)
    instances = [instance(service, number) for service in SERVICES for number in range(1, MAX_REPLICAS + 1)]
    return [*(ports[name] for name in (*OFFSETS, *instances)), *(ports.internal(name) for name in instances)]


def test_nobody_shares_a_port_and_all_are_in_the_block() -> None:
    ports = all_ports(8080)
    assert len(set(ports)) == len(ports)
    assert set(ports) <= set(range(8080, 8080 + BLOCK))


def test_neighbouring_blocks_do_not_touch() -> None:
    assert not set(all_ports(8080)) & set(all_ports(8080 + BLOCK))


def test_the_edge_is_at_the_base() -> None:
    assert Ports(9000)["edge"] == 9000


def test_instances_have_ports_of_their_own() -> None:
    ports = Ports(8080)
    assert (ports["order"], ports.internal("order"), ports["order-2"]) == (8100, 8101, 8102)


@pytest.mark.parametrize("name", ["order-0", "order-6", "nobody"])
def test_a_component_that_cannot_be_has_no_port(name: str) -> None:
    with pytest.raises(KeyError):
        Ports(8080)[name]


@pytest.mark.parametrize("base", [0, 80, 65535])
def test_a_base_outside_the_range_is_refused_by_name(base: int) -> None:
    with pytest.raises(StackError, match=f"BASE_PORT={base} is out of range"):
        Ports(base)


def test_a_base_that_is_no_number_is_refused_by_name() -> None:
    with pytest.raises(StackError, match="BASE_PORT=http is no port"):
        parse_base("http")


def test_a_taken_port_is_refused_with_its_component_and_a_way_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StackError, match=f"port {port}, wanted by redis, .* make up BASE_PORT="):
            refuse_taken([("redis", port)])


def test_a_free_base_skips_a_block_with_one_taken_port() -> None:
    base = free_base(20000)
    with socket.create_server(("127.0.0.1", base + BLOCK - 1)):
        assert free_base(base) >= base + BLOCK


def test_two_processes_that_look_at_the_same_moment_find_two_blocks() -> None:
    base = free_base(20000)
    look = f"from native.ports import free_base; print(free_base({base}))"
    found = [int(subprocess.check_output([PYTHON, "-c", look], cwd=INFRA)) for _ in range(2)]
    assert found[0] > base
    assert found[1] == found[0]  # the process that had it has ended
