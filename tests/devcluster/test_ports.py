"""Ports that are free, and different."""

from __future__ import annotations

import socket

from devcluster.ports import LOOPBACK, free_ports


def test_ports_are_different_and_can_be_bound() -> None:
    ports = free_ports(50)
    assert len(set(ports)) == 50
    for port in ports:
        with socket.create_server((LOOPBACK, port)):
            pass


def test_a_port_in_use_is_not_chosen() -> None:
    with socket.create_server((LOOPBACK, 0)) as taken:
        assert taken.getsockname()[1] not in free_ports(200)
