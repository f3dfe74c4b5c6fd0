"""The network of the torture: what it holds back arrives, and what it cuts off ends."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.torture.network import WAYS, Network, Proxy, Way


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server that echoes everything."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=_say_again, args=(connection,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    yield server.getsockname()[1]
    server.close()


def _say_again(connection: socket.socket) -> None:
    with connection:
        try:
            while data := connection.recv(65_536):
                connection.sendall(data)
        except OSError:
            pass


@pytest.fixture
def proxy(echo: int) -> Iterator[Proxy]:
    with Network() as network:
        yield network.proxy(echo)


def connect(proxy: Proxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=5)


def said_again(connection: socket.socket, what: bytes) -> bytes:
    connection.sendall(what)
    found = b""
    while len(found) < len(what):
        found += connection.recv(65_536)
    return found


def test_everything_gets_through_in_order_and_an_end_as_well(proxy: Proxy) -> None:
    text = bytes(range(256)) * 2_000
    with connect(proxy) as connection:
        assert said_again(connection, text) == text
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""


@pytest.mark.parametrize("ways", [(), *((way,) for way in WAYS)])
def test_what_a_cut_held_back_arrives_after_it(proxy: Proxy, ways: tuple[Way, ...]) -> None:
    with connect(proxy) as connection:
        assert said_again(connection, b"before") == b"before"
        with proxy.cut(*ways):
            connection.sendall(b"meanwhile")
            connection.settimeout(0.2)
            with pytest.raises(TimeoutError):
                connection.recv(1)
        connection.settimeout(5)
        assert connection.recv(100) == b"meanwhile"


def test_a_slow_line_takes_its_time(proxy: Proxy) -> None:
    with connect(proxy) as connection, proxy.slow(latency=0.1):
        began = time.monotonic()
        assert said_again(connection, b"x") == b"x"
        assert time.monotonic() - began >= 0.2
    with connect(proxy) as connection, proxy.slow(bytes_per_second=1_000):
        began = time.monotonic()
        assert said_again(connection, bytes(300)) == bytes(300)
        assert time.monotonic() - began >= 0.2


def test_a_reset_ends_every_connection_and_the_next_one_works(proxy: Proxy) -> None:
    with connect(proxy) as connection:
        assert said_again(connection, b"before") == b"before"
        assert proxy.reset() == 2
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
    with connect(proxy) as connection:
        assert said_again(connection, b"after") == b"after"


def test_where_nothing_listens_the_client_gets_an_error() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with (
        Network() as network,
        pytest.raises(ConnectionResetError),  # at once, or when it listens for an answer
        connect(network.proxy(port)) as connection,
    ):
        connection.recv(1)
