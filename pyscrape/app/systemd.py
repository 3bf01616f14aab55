"""Tells systemd (`Type=notify`) that the server is ready or stops.

Source: sd_notify(3): a datagram to the socket that NOTIFY_SOCKET names; a leading @ is the abstract name space.
"""

import logging
import os
import socket

logger = logging.getLogger("pyscrape")


def notify_manager(state: str) -> None:
    """Send `state`, such as READY=1, where the service manager asks for it; nothing elsewhere."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.connect("\0" + address[1:] if address.startswith("@") else address)
            channel.sendall(state.encode())
    except OSError as error:
        logger.warning("Cannot notify the service manager", extra={"socket": address, "err": str(error)})
