"""Hosts that reach each other through a gateway, which sees what leaves a host beside its tunnel."""

import contextlib
import socket

import harness


def open_gateway(test, label="g"):
    """A namespace that forwards."""
    home = test.namespace(label)
    home.sysctl(ipv4__ip_forward=1, ipv6__conf__all__forwarding=1)
    return home


def put_behind(test, gateway, host, v4, v6, *, own, gate, link="net0", gate_link):
    """A cable from a host to its gateway, which its default routes lead to.

    `v4` and `v6` are networks, such as 10.90.1.{} and fd90:1::{}; `own` and `gate` the numbers of both ends there.
    """
    test.link(host, gateway, [f"{v4.format(own)}/24", f"{v6.format(own)}/64"],
              [f"{v4.format(gate)}/24", f"{v6.format(gate)}/64"], name=link, peer_name=gate_link)
    for family, network in (("-4", v4), ("-6", v6)):
        host.ip(family, "route", "replace", "default", "via", network.format(gate))


def is_settled(host, links=1):
    """The kernel gives links an address of their own some time after they are up."""
    addresses = host.ip("-6", "addr").stdout
    return "tentative" not in addresses and addresses.count(" fe80::") == links


def open_tcp(namespace, family=socket.AF_INET):
    return harness.in_namespace(namespace, lambda: socket.socket(family, socket.SOCK_STREAM))


def talk(namespaces, targets):
    """Traffic of each kind to everywhere; how many pings were answered."""
    answers = 0
    for namespace in namespaces:
        for target in targets:
            answers += namespace.ping(target, 1, wait=1)
            family = socket.AF_INET6 if ":" in target else socket.AF_INET
            with namespace.udp_socket(family) as sender, contextlib.suppress(OSError):
                sender.sendto(b"leak", (target, 9))
            with open_tcp(namespace, family) as caller, contextlib.suppress(OSError):
                caller.settimeout(0.2)
                caller.connect((target, 9))
    return answers
