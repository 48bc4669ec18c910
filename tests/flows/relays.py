"""A relay between the desk and a server, through which the server can vanish."""

import contextlib
import socket
import threading


class Relay:
    """Forwards connections to a port of this machine."""

    def __init__(self, port: int) -> None:
        self._upstream = ("127.0.0.1", port)
        # By their end at the desk, the end at the server.
        self._standing: dict[socket.socket, socket.socket] = {}
        self._dead: dict[socket.socket, socket.socket] = {}
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def vanish(self) -> None:
        """Leave the connections that stand open and dead, as a host does that fails; new ones work."""
        self._dead |= self._standing

    def close(self) -> None:
        """Take no more connections, and end those that are dead."""
        self._shut(self._listener)
        for near, far in self._dead.items():
            self._shut(near)
            self._shut(far)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                try:
                    far = socket.create_connection(self._upstream)
                except OSError:
                    near.close()
                    continue
                self._standing[near] = far
                for source, target in ((near, far), (far, near)):
                    threading.Thread(target=self._pump, args=[near, source, target], daemon=True).start()

    def _pump(self, near: socket.socket, source: socket.socket, target: socket.socket) -> None:
        """Carry one direction of a connection until it ends or is dead; `near` is its end at the desk."""
        with contextlib.suppress(OSError):
            while (data := source.recv(65_536)) and near not in self._dead:
                target.sendall(data)
        if near not in self._dead:
            self._standing.pop(near, None)
            self._shut(source)
            self._shut(target)

    @staticmethod
    def _shut(end: socket.socket) -> None:
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()
