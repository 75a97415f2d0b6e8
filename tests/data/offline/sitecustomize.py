"""Stops whatever would reach a network, in this process and those it starts, and writes it down."""

import os
import sys

_EVENTS = {
    "socket.connect",
    "socket.getaddrinfo",
    "socket.gethostbyname",
    "socket.gethostbyaddr",
    "socket.sendto",
    "socket.sendmsg",
}


def _stop(event, arguments):
    if event not in _EVENTS:
        return
    if event == "socket.connect" and isinstance(arguments[1], str | bytes):
        return  # a socket of this machine's file system
    with open(os.environ["OFFLINE_LOG"], "a") as log:
        log.write(f"{event} {arguments[1:]!r}\n")
    raise OSError(f"no network: {event}")


sys.addaudithook(_stop)
