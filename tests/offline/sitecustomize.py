"""Refuse connections to other machines, in this Python and in those that it starts.

Put on PYTHONPATH by tools/notebooks/offline.py where the system cannot give a command its own
network.
"""

import ipaddress
import socket
import sys


def _is_here(host):
    if host in (None, "", b"", "localhost", b"localhost", socket.gethostname()):
        return True
    try:
        address = ipaddress.ip_address(host.decode() if isinstance(host, bytes) else host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _refuse(event, arguments):
    # an audit hook, since it also sees the connections that C code makes through the socket module
    if event == "socket.connect":
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) else None  # a path: a local socket
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = arguments[0]
    else:
        return
    if not _is_here(host):
        raise ConnectionRefusedError(f"the network is blocked for this run; {host!r} was asked for")


sys.addaudithook(_refuse)
