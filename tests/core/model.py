"""What a session does, once more, as plainly as it can be said: the reference for test_model.py.

No speed, no limits, no HTTP: a queue of packets in their text form, names for states, and a dict of deadlines. It was
written from the rows of behaviour.md, so that a difference is a mistake on one of the two sides.
"""

from __future__ import annotations

INTERVAL, TIMEOUT, UPGRADE, CLOSE, MOST = 10.0, 8.0, 5.0, 12.0, 3
KINDS = ["ping", "pong", "upgrade", "hold", "body", "close"]


class Model:
    """One session."""

    def __init__(self, now: float, *, websocket: bool) -> None:
        self.life = "open"
        self.reason = ""
        self.route = "websocket" if websocket else "polling"
        self.queue: list[str] = []
        self.writing = 0  # packets taken and not reported as written
        self.poll = ""  # parked, held or ready; else its answer is fixed, or there is none
        self.noop = False
        self.post = ""  # reading or answered
        self.link = "carrying" if websocket else ""  # unprobed, probed, carrying or draining
        self.frames: list[str] = []  # the link's own
        self.held_before = self.awaiting = self.heard = self.extended = self.graced = self.paused = False
        self.answers: dict[str, str] = {}  # what requests and links are told that the session has parted from
        self.due = {"ping": now + INTERVAL}

    # ------------------------------------------------------------------------------------------------------------ time

    def tick(self, now: float) -> None:
        while self.due and (first := min(self.due, key=lambda kind: (self.due[kind], KINDS.index(kind)))):
            when = self.due[first]
            if when > now:
                return
            del self.due[first]
            getattr(self, f"{first}_due")(when, now)

    def ping_due(self, when: float, now: float) -> None:
        if self.life == "open":
            self.due["ping"] = when + INTERVAL if when + INTERVAL > now else now + INTERVAL
        if not self.awaiting:
            self.awaiting, self.heard, self.extended, self.graced = True, False, False, False
            self.due["pong"] = now + TIMEOUT
            if self.life == "open" and "2" not in self.queue:
                self.put("2", first=True)

    def pong_due(self, when: float, now: float) -> None:
        if not self.awaiting:
            return
        if self.paused or self.post:
            self.due["pong"] = now + TIMEOUT
        elif self.heard and not self.extended:
            self.extended, self.due["pong"] = True, when + TIMEOUT
        elif now - when > 1.0 and not self.graced:
            self.graced, self.due["pong"] = True, now + 5.0
        else:
            self.finish("ping timeout")

    def upgrade_due(self, when: float, now: float) -> None:
        self.drop(1000)

    def hold_due(self, when: float, now: float) -> None:
        self.poll, self.noop = "ready", True

    def body_due(self, when: float, now: float) -> None:
        self.finish("transport error")

    def close_due(self, when: float, now: float) -> None:
        self.finish("server disconnect")

    # --------------------------------------------------------------------------------------------------------- polling

    def get(self, now: float) -> str:
        if self.life == "closed":
            return "unknown"
        if self.route == "websocket":
            return "mismatch"
        if self.poll:
            self.finish("transport error")
            return "overlap"
        self.noop = False
        if self.life == "closing":
            self.poll = "ready"
        elif self.route == "probing":
            self.poll = "held"
            self.due["hold"] = now + (0.1 if self.held_before else 0.02)
            self.held_before = True
        else:
            self.poll = "ready" if self.queue else "parked"
        return "poll"

    def take_poll(self) -> tuple[list[str], int]:
        taken, self.queue, self.poll = self.queue[:MOST], self.queue[MOST:], ""
        self.due.pop("hold", None)
        count = len(taken)
        self.writing += count
        if count < MOST and self.life == "closing":
            taken.append("1")
            self.finish("server disconnect")
        elif count < MOST and self.noop:
            taken.append("6")
        return taken, count

    def begin_post(self, now: float) -> str:
        if self.life == "closed":
            return "unknown"
        if self.route == "websocket":
            return "mismatch"
        if self.post:
            self.finish("transport error")
            return "overlap"
        self.post, self.due["body"] = "reading", now + (INTERVAL + TIMEOUT)
        return "post"

    def body(self, packets: list[str]) -> list[str]:
        messages: list[str] = []
        if self.post != "reading":
            return messages
        del self.due["body"]
        self.post, self.answers["post"] = "answered", "ok"
        for packet in packets:
            if packet == "1":
                self.finish("client disconnect", parting="6")
                break
            if self.life == "closing":
                continue
            if packet in {"2", "?"}:
                self.answers["post"] = "400"
                self.finish("transport error")
                break
            self.receive(packet, messages)
        return messages

    def oversize(self) -> None:
        if self.post == "reading":
            self.post, self.answers["post"] = "answered", "413"
            self.finish("transport error")

    # ------------------------------------------------------------------------------------------------------- WebSockets

    def dial(self, now: float) -> str:
        if self.life == "closed":
            return "unknown"
        if self.link:
            return "second"
        self.link, self.due["upgrade"], self.held_before = "unprobed", now + UPGRADE, False
        return "link"

    def frame(self, packet: str) -> list[str]:
        messages: list[str] = []
        if self.link in {"unprobed", "probed"}:
            if packet == "2probe":
                self.link = "probed"
                self.frames.append("3probe")
                if self.route == "polling" and self.poll in {"parked", "held"}:
                    self.poll, self.noop = "ready", True
                self.route = "probing"
            elif packet == "5" and self.link == "probed":
                self.complete()
            else:
                self.drop(1000 if packet == "1" else 1002)
        elif packet == "1":
            self.finish("client disconnect")
        elif packet == "?" or (packet in {"2", "2probe"} and self.link == "carrying"):
            self.finish("transport error", code=1002)
        elif self.link == "carrying":
            self.receive(packet, messages)
        return messages

    def complete(self) -> None:
        del self.due["upgrade"]
        self.link, self.route = "draining" if self.life == "closing" else "carrying", "websocket"
        self.queue, self.frames = self.frames + self.queue, []
        if self.poll:
            self.poll, self.answers["poll"] = "", "400"
            self.due.pop("hold", None)

    def drop(self, code: int) -> None:
        self.link, self.route, self.frames = "", "polling", []
        self.answers["link"] = str(code)
        self.due.pop("upgrade", None)
        if self.due.pop("hold", None) is not None:
            self.poll = "ready" if self.queue else "parked"

    def take_frames(self) -> list[str]:
        if self.link in {"unprobed", "probed"}:
            frames, self.frames = self.frames, []
            return frames
        frames, self.queue = self.queue, []
        if not frames and self.link == "draining":
            self.finish("server disconnect")
        return frames

    # ------------------------------------------------------------------------------------------------------------ both

    def receive(self, packet: str, messages: list[str]) -> None:
        if packet == "3":
            self.awaiting = False
        else:
            self.heard = True
            if packet[0] in "4b":
                messages.append(packet)

    def put(self, packet: str, *, first: bool = False) -> None:
        self.queue.insert(0 if first else len(self.queue), packet)
        if self.poll == "parked":
            self.poll = "ready"

    def close(self, now: float, *, busy: bool) -> None:
        if self.life != "open":
            return
        self.life, self.reason = "closing", "server disconnect"
        self.due["close"] = now + CLOSE
        if self.link == "carrying":
            self.link = "draining"
            if not self.queue and not busy:
                self.finish("")
        elif self.poll:
            if self.queue:
                self.poll = "ready"
            else:
                self.finish("")

    def lose(self, what: str, *, error: bool) -> None:
        if what == "link" and self.link in {"unprobed", "probed"}:
            self.drop(0)
        else:
            setattr(self, what, "")
            self.finish("transport error" if error else "transport close")

    def finish(self, reason: str, *, code: int = 1000, parting: str = "1") -> None:
        if self.life == "closed":
            return
        self.life, self.reason = "closed", self.reason or reason
        if self.poll:
            self.answers["poll"] = parting
        if self.post == "reading":
            self.answers["post"] = "400"
        if self.link:
            self.answers["link"] = str(code)
        self.poll = self.post = self.link = ""
        self.queue, self.frames, self.due = [], [], {}
