"""Ports that are free, and different."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from devcluster.ports import LOOPBACK, free_ports


def test_ports_are_different_and_can_be_bound() -> None:
    ports = free_ports(50)
    assert len(set(ports)) == 50
    for port in ports:
        with socket.create_server((LOOPBACK, port)):
            pass


def test_a_port_in_use_is_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    (taken,) = free_ports(1)
    with socket.create_server((LOOPBACK, taken)):
        monkeypatch.setattr(
            "random.SystemRandom.shuffle", lambda _, ports: ports.sort(key=lambda port: port != taken)
        )
        assert taken not in free_ports(3)


def test_a_port_is_none_that_the_kernel_gives_to_others() -> None:
    first, last = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    assert not any(first <= port <= last for port in free_ports(200))


def test_too_many_are_an_error() -> None:
    with pytest.raises(OSError, match="70000 free ports were wanted"):
        free_ports(70_000)
