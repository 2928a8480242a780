"""Where the server listens."""

import socket

from mglmm.schema import UserError


def bind(host: str, port: int) -> socket.socket:
    """A socket at the address, not listening yet, so that clients are refused until the model is there.

    Raises:
        UserError: there is no such address here, or it is in use.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, kind, protocol)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except UnicodeError as error:
        raise UserError(f"{host}: is no name of a machine; give another --host") from error
    except OSError as error:
        raise UserError(f"{host}, port {port}: {error.strerror or error}; give another --host or --port") from error
    return bound
