# SPDX-License-Identifier: Apache-2.0
"""Watches links for packets that nobody may send there: DHCP, PXE, TFTP and router solicitations.

And counts what pings lose.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import selectors
import socket
import struct
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

ETH_P_ALL = 3
SO_ATTACH_FILTER = 26
PACKET_OUTGOING = 4
SOL_PACKET = 263
PACKET_ADD_MEMBERSHIP = 1
PACKET_MR_PROMISC = 1

#: Classic BPF: (code, jump if true, jump if false, operand), see Documentation/networking/filter.rst of Linux. Lets
#: through UDP over IPv4, UDP, ICMPv6 and what has extension headers over IPv6, and frames with a VLAN tag left in them.
FILTER = (
    (0x28, 0, 0, 12),  # load the type
    (0x15, 0, 2, 0x0800),
    (0x30, 0, 0, 23),  # load the protocol
    (0x15, 6, 7, 17),
    (0x15, 0, 4, 0x86DD),
    (0x30, 0, 0, 20),  # load the next header
    (0x15, 3, 0, 17),
    (0x15, 2, 0, 58),
    (0x15, 1, 2, 0),
    (0x15, 0, 1, 0x8100),
    (0x06, 0, 0, 0xFFFF),  # take it
    (0x06, 0, 0, 0),
)

#: UDP over IPv4. 4011: a boot server of PXE.
PORTS = {"dhcp4": {67, 68}, "pxe": {4011}, "tftp": {69}}


def kind_of(frame: bytes) -> str:
    """``dhcp4`` (or BOOTP), ``pxe``, ``tftp``, ``dhcp6``, ``router-solicitation``, or empty for anything else."""
    offset = 12
    while frame[offset : offset + 2] in (b"\x81\x00", b"\x88\xa8"):
        offset += 4
    kind, packet = frame[offset : offset + 2], frame[offset + 2 :]
    if kind == b"\x08\x00" and len(packet) >= 20 and packet[9] == 17:
        if struct.unpack("!H", packet[6:8])[0] & 0x1FFF:  # a later fragment has no ports
            return ""
        ports = _ports(packet[(packet[0] & 15) * 4 :])
        return next((kind for kind, known in PORTS.items() if ports & known), "")
    if kind != b"\x86\xdd" or len(packet) < 40:
        return ""
    header, payload = packet[6], packet[40:]
    if header == 0 and len(payload) >= 2:  # hop-by-hop options
        header, payload = payload[0], payload[(payload[1] + 1) * 8 :]
    if header == 17 and _ports(payload) & {546, 547}:
        return "dhcp6"
    return "router-solicitation" if header == 58 and payload[:1] == b"\x85" else ""


def _ports(datagram: bytes) -> set[int]:
    return set(struct.unpack("!HH", datagram[:4])) if len(datagram) >= 4 else set()


@dataclass(frozen=True)
class Packet:
    """One packet that was looked for."""

    time: float  # of the wall clock
    link: str
    kind: str
    source: str  # MAC address
    frame: bytes


@dataclass
class Capture:
    """Listens on network devices of this computer, for what the other end sends, until it is closed."""

    packets: list[Packet] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._sockets: dict[str, socket.socket] = {}
        self._wake, self._waker = socket.socketpair()
        self._selector.register(self._wake, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def add(self, link: str, *, promiscuous: bool = False) -> None:
        """Listen on a device as well. ``promiscuous``: on a bridge, also for what its ports send to each other."""
        listener = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        code = b"".join(struct.pack("HBBI", *step) for step in FILTER)
        buffer = ctypes.create_string_buffer(code)
        listener.setsockopt(
            socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HL", len(FILTER), ctypes.addressof(buffer))
        )
        listener.setblocking(False)
        listener.bind((link, ETH_P_ALL))
        if promiscuous:
            member = struct.pack("IHH8s", socket.if_nametoindex(link), PACKET_MR_PROMISC, 0, b"")
            listener.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, member)
        self._sockets[link] = listener
        self._selector.register(listener, selectors.EVENT_READ, link)
        self._waker.send(b".")

    def remove(self, link: str) -> None:
        """Stop listening on a device."""
        listener = self._sockets.pop(link, None)
        if listener is not None:
            self._selector.unregister(listener)
            listener.close()

    def _listen(self) -> None:
        while True:
            for key, _ in self._selector.select():
                if key.data is None:
                    if not self._wake.recv(64):
                        return
                    continue
                # The device may be gone, or down for a moment.
                with contextlib.suppress(OSError, ValueError):
                    frame, address = key.fileobj.recvfrom(65536)  # type: ignore[union-attr]
                    kind = kind_of(frame)
                    if kind and address[2] != PACKET_OUTGOING:
                        source = ":".join(f"{octet:02x}" for octet in frame[6:12])
                        self.packets.append(Packet(time.time(), str(key.data), kind, source, frame))

    def dhcp_packets(self, links: Iterable[str] | None = None, since: float = 0.0) -> list[Packet]:
        """DHCP and router solicitations that came over the links (all, unless some are named) since then."""
        names = None if links is None else set(links)
        return [p for p in list(self.packets) if p.time >= since and (names is None or p.link in names)]

    def close(self) -> None:
        """End."""
        self._waker.close()
        self._thread.join(5)
        for listener in self._sockets.values():
            listener.close()
        self._wake.close()
        self._selector.close()


@dataclass(frozen=True)
class Loss:
    """What a series of pings lost: how many of how many, and the longest time without an answer."""

    sent: int
    lost: int
    gap: float

    def __str__(self) -> str:
        return f"{self.lost} of {self.sent} pings lost, {self.gap:.1f} s at most without an answer"


def checksum(data: bytes) -> int:
    """The checksum of the internet (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def echo_request(identifier: int, number: int) -> bytes:
    """An ICMP echo request."""
    body = struct.pack("!HH", identifier, number) + bytes(16)
    return struct.pack("!BBH", 8, 0, checksum(b"\x08\0\0\0" + body)) + body


class Pings:
    """Five pings a second to an address, from when the block is entered until it is left; then ``loss`` is known."""

    def __init__(self, address: str, interval: float = 0.2, patience: float = 1.0) -> None:
        self.address, self.interval, self.patience = address, interval, patience
        self.loss = Loss(0, 0, 0.0)
        self._stop = threading.Event()

    def __enter__(self) -> Pings:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        self._socket.settimeout(0.2)
        self._identifier = struct.unpack("!H", os.urandom(2))[0]
        self._sent: list[float] = []
        self._answered: set[int] = set()
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._send, self._receive)]
        for thread in self._threads:
            thread.start()
        return self

    def _send(self) -> None:
        begin = time.monotonic()
        while not self._stop.is_set():
            number = len(self._sent)
            self._sent.append(time.monotonic())
            with contextlib.suppress(OSError):  # no route at the moment: a loss as any other
                self._socket.sendto(echo_request(self._identifier, number & 0xFFFF), (self.address, 0))
            self._stop.wait(max(0.0, begin + len(self._sent) * self.interval - time.monotonic()))

    def _receive(self) -> None:
        end = float("inf")
        while time.monotonic() < end:
            if self._stop.is_set():
                end = min(end, time.monotonic() + self.patience)
                if len(self._answered) == len(self._sent):
                    return
            with contextlib.suppress(TimeoutError, OSError):
                packet, _ = self._socket.recvfrom(2048)
                answer = packet[(packet[0] & 15) * 4 :]
                kind, _code, _sum, identifier, number = struct.unpack("!BBHHH", answer[:8])
                if kind == 0 and identifier == self._identifier:
                    self._answered.add(number)

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(self.patience + 2)
        self._socket.close()
        self.loss = loss_of(len(self._sent), self._answered, self.interval)


def loss_of(sent: int, answered: set[int], interval: float) -> Loss:
    """Judge a series by the numbers that were answered."""
    longest = run = 0
    for number in range(sent):
        run = 0 if number in answered else run + 1
        longest = max(longest, run)
    return Loss(sent, sent - len(answered & set(range(sent))), longest * interval)
