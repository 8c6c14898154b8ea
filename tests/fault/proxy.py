# SPDX-License-Identifier: Apache-2.0
"""A TCP proxy that spoils connections: latency, slices, resets, half-open connections, black
holes in one direction or both, a lost reply to COMMIT.
"""

import select
import socket
import struct
import threading
import time

CHUNK = 65536


class Link:
    """One connection: the client's socket and the server's, and a thread per direction."""

    def __init__(self, proxy, client):
        self.proxy, self.client, self.ended, self.mute = proxy, client, False, False
        self.server = socket.create_connection((proxy.host, proxy.target), timeout=10)
        self.server.settimeout(None)
        for s in (self.client, self.server):
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for source, to, up in ((self.client, self.server, True), (self.server, self.client, False)):
            threading.Thread(target=self.relay, args=(source, to, up), daemon=True).start()

    def held(self, up):
        return self.mute or ("up" if up else "down") in self.proxy.hole

    def relay(self, source, to, up):
        try:
            while not self.ended:
                if self.held(up):
                    time.sleep(0.02)
                    continue
                if not select.select([source], [], [], 0.05)[0] or self.held(up):
                    continue
                data = source.recv(CHUNK)
                while (
                    self.held(up) and not self.ended
                    # on its way when the hole opened: it comes when that is filled, as TCP would
                    # send
                    # it again
                ):
                    time.sleep(0.02)
                if not data or self.ended:
                    break
                if up and self.proxy.swallows(data):
                    return self.swallow_reply(data)
                self.proxy.count(up, len(data))
                self.forward(to, data)
                if up and self.proxy.deafens(data):
                    return self.proxy.forget(self)
        except (OSError, ValueError):
            pass
        self.end()

    def forward(self, to, data):
        size = self.proxy.slice or len(data)
        for at in range(0, len(data), size):
            if self.proxy.latency:
                time.sleep(self.proxy.latency)
            to.sendall(data[at : at + size])

    def swallow_reply(self, data):
        """The server gets what was sent and answers; the client never hears of it."""
        self.mute = True
        self.server.sendall(data)
        select.select([self.server], [], [], 2)
        time.sleep(0.02)
        self.end(reset=True)

    def end(self, reset=False):
        if self.ended:
            return
        self.ended = True
        self.proxy.links.discard(self)
        for s in (self.client, self.server):
            try:
                if reset:
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                else:
                    s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            s.close()


class Proxy:
    """Listens on `port` (0: a free one) and forwards to `target`. Faults are set at any time and
    hold for all connections.
    """

    def __init__(self, target, port=0, host="127.0.0.1", listen="127.0.0.1"):
        self.target, self.host, self.address, self.latency, self.slice = target, host, listen, 0, 0
        self.hole = (
            set()
        )  # directions that nothing passes: "up" to the server, "down" to the client
        self.links, self.lock, self.abandoned = set(), threading.Lock(), []
        self.pattern, self.countdown, self.swallowed = None, 0, 0
        self.api_key, self.unanswered = None, 0
        self.bytes = {True: 0, False: 0}
        self.port, self.listener = port, None
        self.listen()

    def listen(self):
        if not self.listener:
            self.listener = socket.create_server((self.address, self.port), backlog=64)
            self.port = self.listener.getsockname()[1]
            threading.Thread(target=self.accept, args=(self.listener,), daemon=True).start()

    def accept(self, listener):
        while True:
            try:
                client = listener.accept()[0]
            except OSError:
                return
            try:
                self.links.add(Link(self, client))
            except OSError:  # the server is unavailable: so is the connection
                client.close()

    def count(self, up, n):
        with self.lock:
            self.bytes[up] += n

    def lose_reply(self, pattern=b"commit\0", nth=1):
        """Once: the nth time that the client sends `pattern`, the connection ends before the
        answer comes back.
        """
        with self.lock:
            self.pattern, self.countdown = pattern, nth

    def swallows(self, data):
        with self.lock:
            if not self.pattern or self.pattern not in data.lower():
                return False
            self.countdown -= 1
            if self.countdown:
                return False
            self.pattern = None
            self.swallowed += 1
            return True

    def black_hole(self, *directions):
        self.hole = set(directions or ("up", "down"))

    def reset(self):
        for link in list(self.links):
            link.end(reset=True)

    def abandon(self):
        """Half-open: the server's side of every connection ends, the client gets nothing."""
        for link in list(self.links):
            self.forget(link)

    def abandon_at(self, api_key):
        """Once: the connection over which the next Kafka request of that kind goes is half-open
        from then on.
        """
        self.api_key = api_key

    def deafens(self, data):
        with self.lock:
            if self.api_key is None or data[4:6] != struct.pack(">h", self.api_key):
                return False
            self.api_key = None
            self.unanswered += 1
            return True

    def forget(self, link):
        self.links.discard(link)
        link.ended = True
        time.sleep(0.1)
        link.server.close()
        self.abandoned.append(link.client)

    def refuse(self):
        """Nobody listens, and what was connected is reset."""
        if self.listener:
            try:
                self.listener.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            self.listener.close()
            self.listener = None
        self.reset()

    def heal(self):
        self.hole, self.latency, self.slice, self.pattern = set(), 0, 0, None
        for client in self.abandoned:
            client.close()
        self.abandoned = []
        self.listen()

    def close(self):
        self.heal()
        self.refuse()


if __name__ == "__main__":  # PORT HOST TARGET: for a network namespace
    import sys

    Proxy(int(sys.argv[3]), int(sys.argv[1]), host=sys.argv[2])
    threading.Event().wait()
