"""The studio, served in a thread of its own."""

import socket
import threading
import time
from dataclasses import dataclass, field

from tests.studio.fake import FakeEngine


@dataclass
class Studio:
    """A server that can be stopped and started again at the same address."""

    engine: FakeEngine
    port: int
    stop: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def start(self) -> None:
        from mglmm.studio.launch import serve

        self.stop = threading.Event()
        self.thread = threading.Thread(
            target=serve, args=(self.engine,), kwargs={"port": self.port, "stop": self.stop}, daemon=True
        )
        self.thread.start()
        for _ in range(300):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise TimeoutError("the studio has not started")

    def end(self) -> None:
        assert self.thread
        self.stop.set()
        self.thread.join(15)
        assert not self.thread.is_alive()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
