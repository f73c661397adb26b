#!/usr/bin/python3
"""RFC 6455 by case, raw bytes to /api/v1/ws. The numbers of sections 1 to 7, 9 and 12 are those under which the well-known
WebSocket test suites list such cases; H is the opening handshake.

A server that does not echo shows what it has understood by its answers: {"type":"ping","ref":R} is answered by
{"type":"pong","ref":R}, so R, or the length of the message (JSON may end in spaces), carries what a case is about.
What a client that breaks the protocol had asked just before is answered, or is not.
Each case is sent as a whole, and small ones one byte at a time; one that expects no close ends with a clean one.
"""
import base64
import hashlib
import json
import os
import socket
import struct
import sys
import urllib.parse
import zlib

URL = urllib.parse.urlparse(os.environ["CONFORMANCE_URL"])
KEY = os.environ["CONFORMANCE_KEY"]
LIMIT = 65536  # socket.message_max
CHOPPED_MAX = 600
TEXT, BINARY, CLOSE, PING, PONG, MORE = 1, 2, 8, 9, 10, 0
NONCE = base64.b64encode(b"the sample nonce").decode()
ACCEPT = base64.b64encode(hashlib.sha1((NONCE + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()


def frame(opcode, payload=b"", fin=True, rsv=0, mask=b"\x37\xfa\x21\x3d", size=None):
    """size: 7, 16 or 64, the form of the length, when it is not the shortest."""
    n = len(payload)
    form = size or (7 if n < 126 else 16 if n < 65536 else 64)
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    bit = 0x80 if mask else 0
    head += bytes([bit | n]) if form == 7 else struct.pack("!BH", bit | 126, n) if form == 16 else struct.pack(
        "!BQ", bit | 127, n)
    if not mask:
        return head + payload
    long = mask * (n // 4 + 1)
    return head + mask + (int.from_bytes(payload, "big") ^ int.from_bytes(long[:n], "big")).to_bytes(n, "big")


def ask(ref, size=0):
    """The message that is answered with ref; of that many bytes."""
    return json.dumps({"type": "ping", "ref": ref}, ensure_ascii=False, separators=(",", ":")).encode().ljust(size)


def close(code=None, reason=b""):
    return frame(CLOSE, b"" if code is None else struct.pack("!H", code) + reason)


class Peer:
    def __init__(self, extensions=None):
        self.socket = socket.create_connection((URL.hostname, URL.port), 20)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.unread = b""
        extra = "Sec-WebSocket-Extensions: %s\r\n" % extensions if extensions else ""
        self.head = self.shake(HELLO + extra)

    def shake(self, text):
        self.socket.sendall((text + "\r\n").encode())
        while b"\r\n\r\n" not in self.unread:
            self.more()
        head, _, self.unread = self.unread.partition(b"\r\n\r\n")
        return head.decode()

    def more(self):
        data = self.socket.recv(65536)
        if not data:
            raise EOFError
        self.unread += data

    def need(self, n):
        while len(self.unread) < n:
            self.more()
        data, self.unread = self.unread[:n], self.unread[n:]
        return data

    def take(self):
        """(opcode, payload) of the next frame; ours are whole, without masks, and of the shortest form."""
        first, second = self.need(2)
        n = second & 0x7f
        if n == 126:
            n = struct.unpack("!H", self.need(2))[0]
            assert n > 125, "a length that is not the shortest"
        elif n == 127:
            n = struct.unpack("!Q", self.need(8))[0]
            assert n > 65535, "a length that is not the shortest"
        assert first & 0xf0 == 0x80 and second & 0x80 == 0, "a fragment, a reserved bit or a mask"
        return first & 15, self.need(n)

    def at_end(self):
        try:
            self.need(1)
            return False
        except EOFError:
            return True
        except ConnectionResetError:
            return True


HELLO = ("GET /api/v1/ws HTTP/1.1\r\nHost: %s\r\nAuthorization: ApiKey %s\r\nConnection: keep-alive, Upgrade\r\n"
         "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n" % (URL.netloc, KEY, NONCE))


def expect(peer, wanted):
    kind, value = wanted
    opcode, payload = peer.take()
    if kind == "any":
        assert opcode == PONG or json.loads(payload)["ref"] == "fragments", (opcode, payload)
    elif kind == "any-or-close" and opcode == TEXT:
        expect(peer, ("close", value))
    elif kind in ("close", "any-or-close"):
        assert opcode == CLOSE, (opcode, payload)
        code = struct.unpack("!H", payload[:2])[0] if payload else None
        payload[2:].decode()
        assert code == value, "closed with %r %r" % (code, payload[2:])
        assert peer.at_end(), "the connection stays after the goodbye"
    elif kind == "pong":
        assert (opcode, payload) == (PONG, value), (opcode, payload)
    else:
        assert opcode == TEXT, (opcode, payload)
        message = json.loads(payload)
        assert message["type"] == ("pong" if kind == "ref" else "error"), message
        assert kind == "error" or message["ref"] == value, message
        assert kind == "ref" or message["code"] == value, message


def run(data, wanted, extensions=None, chop=False):
    peer = Peer(extensions)
    assert peer.head.startswith("HTTP/1.1 101 "), peer.head
    try:
        if chop:
            for i in range(len(data)):
                peer.socket.sendall(data[i:i + 1])
        else:
            peer.socket.sendall(data)
    except (BrokenPipeError, ConnectionResetError):
        pass  # it was refused before its end
    for one in wanted:
        expect(peer, one)
    if not any(kind.endswith("close") for kind, _ in wanted):
        peer.socket.sendall(close(1000))
        expect(peer, ("close", 1000))
    peer.socket.close()


CASES = []


def case(number, what, data, *wanted, extensions=None):
    CASES.append((number, what, data, wanted, extensions))


def fragments(payload, *cuts):
    """The message cut at these places."""
    parts = [payload[a:b] for a, b in zip((0, *cuts), (*cuts, len(payload)))]
    return b"".join(frame(MORE if i else TEXT, part, fin=i == len(parts) - 1) for i, part in enumerate(parts))


# 1: framing
case("1.1.1", "an empty text is not a frame of ours, and no reason to leave", frame(TEXT), ("error", "INVALID"))
for i, size in enumerate([125, 126, 127, 128, 65535, 65536], 2):
    case("1.1.%d" % i, "a text of %d bytes" % size, frame(TEXT, ask("size", size)), ("ref", "size"))
case("1.1.8", "two texts in one segment", frame(TEXT, ask("a")) + frame(TEXT, ask("b")), ("ref", "a"), ("ref", "b"))
for i, size in enumerate([0, 125, 126, 127, 128, 65535, 65536], 1):
    case("1.2.%d" % i, "a binary message of %d bytes: none is taken" % size, frame(BINARY, b"\xfe" * size),
         ("close", 1003))
case("1.3.1", "a mask of zeros is a mask", frame(TEXT, ask("zero"), mask=b"\0\0\0\0"), ("ref", "zero"))
case("1.3.2", "no mask", frame(TEXT, ask("bare"), mask=b""), ("close", 1002))
case("1.3.3", "a control frame without a mask", frame(PING, b"x", mask=b""), ("close", 1002))
case("1.4.1", "a length of 16 bits that 7 would hold", frame(TEXT, ask("x"), size=16), ("close", 1002))
case("1.4.2", "a length of 64 bits that 16 would hold", frame(TEXT, ask("x", 200), size=64), ("close", 1002))
case("1.4.3", "a length beyond 63 bits", b"\x81\xff" + b"\xff" * 8 + b"abcd", ("close", 1002))

# 2: pings and pongs
case("2.1", "a ping without payload", frame(PING), ("pong", b""))
case("2.2", "a ping with text", frame(PING, b"Hello, world!"), ("pong", b"Hello, world!"))
case("2.3", "a ping with bytes", frame(PING, b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff"),
     ("pong", b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff"))
case("2.4", "a ping of 125 bytes", frame(PING, b"\xfe" * 125), ("pong", b"\xfe" * 125))
case("2.5", "a ping of 126 bytes", frame(PING, b"\xfe" * 126), ("close", 1002))
case("2.7", "a pong that nobody asked for", frame(PONG), )
case("2.8", "the same with payload", frame(PONG, b"unsolicited"), )
case("2.9", "a pong, then a ping", frame(PONG, b"unsolicited") + frame(PING, b"and asked"), ("pong", b"and asked"))
case("2.10", "ten pings", b"".join(frame(PING, b"payload-%d" % i) for i in range(10)),
     *[("pong", b"payload-%d" % i) for i in range(10)])
case("2.12", "a pong of 126 bytes", frame(PONG, b"\xfe" * 126), ("close", 1002))

# 3: reserved bits
for rsv in range(1, 8):
    case("3.%d" % rsv, "reserved bits %d of a text" % rsv, frame(TEXT, ask("rsv"), rsv=rsv), ("close", 1002))
case("3.8", "reserved bits of a ping, after a text", frame(TEXT, ask("a")) + frame(PING, rsv=2),
     ("any-or-close", 1002))
case("3.9", "reserved bits of a close", frame(CLOSE, struct.pack("!H", 1000), rsv=1), ("close", 1002))

# 4: reserved opcodes
for i, opcode in enumerate([3, 4, 5, 6, 7], 1):
    case("4.1.%d" % i, "opcode %d" % opcode, frame(opcode, b"x" if i % 2 else b""), ("close", 1002))
for i, opcode in enumerate([11, 12, 13, 14, 15], 1):
    case("4.2.%d" % i, "opcode %d" % opcode, frame(opcode, b"x" if i % 2 else b""), ("close", 1002))

# 5: fragments
whole = ask("fragments")
case("5.1", "a ping in two fragments", frame(PING, b"a", fin=False) + frame(MORE, b"b"), ("close", 1002))
case("5.2", "a pong in two fragments", frame(PONG, b"a", fin=False) + frame(MORE, b"b"), ("close", 1002))
case("5.3", "a text in two fragments", fragments(whole, 9), ("ref", "fragments"))
case("5.6", "a ping between two fragments", frame(TEXT, whole[:9], fin=False) + frame(PING, b"between") +
     frame(MORE, whole[9:]), ("pong", b"between"), ("ref", "fragments"))
case("5.7", "a pong between two fragments", frame(TEXT, whole[:9], fin=False) + frame(PONG, b"between") +
     frame(MORE, whole[9:]), ("ref", "fragments"))
case("5.9", "a continuation of nothing", frame(MORE, whole), ("close", 1002))
case("5.10", "the same, more to follow", frame(MORE, whole, fin=False), ("close", 1002))
case("5.12", "a continuation after a whole text", frame(TEXT, ask("a")) + frame(MORE, b"x"),
     ("any-or-close", 1002))
case("5.15", "a continuation after the last fragment", fragments(whole, 9) + frame(MORE, b"x", fin=False),
     ("any-or-close", 1002))
case("5.18", "a second text inside a message", frame(TEXT, whole[:9], fin=False) + frame(TEXT, whole[9:]),
     ("close", 1002))
case("5.18b", "a binary frame inside a text", frame(TEXT, whole[:9], fin=False) + frame(BINARY, whole[9:]),
     ("close", 1002))
case("5.19", "five fragments with pings among them", b"".join(
    frame(MORE if i else TEXT, whole[i * 5:i * 5 + 5 if i < 4 else None], fin=i == 4) + frame(PING, b"%d" % i)
    for i in range(5)), *[("pong", b"%d" % i) for i in range(4)], ("any", None), ("any", None))
case("5.20", "a fragment for each byte", fragments(whole, *range(1, len(whole))), ("ref", "fragments"))
case("5.21", "empty fragments", frame(TEXT, b"", fin=False) + frame(MORE, whole, fin=False) + frame(MORE),
     ("ref", "fragments"))

# 6: UTF-8. Valid text comes back; what is not is refused as soon as it shows.
VALID = ["\u03ba\u1f79\u03c3\u03bc\u03b5", "\x7f", "\x80", "\u07ff", "\u0800", "\uffff", "\U00010000", "\U0010ffff",
         "\ud7ff", "\ue000", "\ufffd", "\ufffe", "\U0001fffe", "\ufeff", "Hello-\u00b5@\u00df\u00f6\u00e4\u00fc\u00e0\u00e1",
         "\U0001f6a2\U0001f469\u200d\U0001f4bb"]
for i, text in enumerate(VALID, 1):
    data = ask(text)
    case("6.2.%d" % i, "U+%04X" % ord(text[0]), frame(TEXT, data), ("ref", text))
    case("6.2.%db" % i, "the same, a fragment for each byte", fragments(data, *range(1, len(data))), ("ref", text))
INVALID = {
    "a continuation byte alone": b"\x80", "another": b"\xbf", "six of them": b"\x80\xbf\x80\xbf\x80\xbf",
    "0xc0": b"\xc0 ", "0xc1": b"\xc1\xbf", "0xf5": b"\xf5\x80\x80\x80", "0xfe": b"\xfe", "0xff": b"\xff",
    "two bytes, the second missing": b"\xc3 ", "three, the last missing": b"\xe2\x82 ",
    "four, the last missing": b"\xf0\x9f\x9a ", "an overlong slash in two": b"\xc0\xaf", "in three": b"\xe0\x80\xaf",
    "in four": b"\xf0\x80\x80\xaf", "in five": b"\xf8\x80\x80\x80\xaf", "in six": b"\xfc\x80\x80\x80\x80\xaf",
    "the largest overlong in two": b"\xc1\xbf", "the largest in three": b"\xe0\x9f\xbf",
    "the largest in four": b"\xf0\x8f\xbf\xbf", "an overlong NUL": b"\xc0\x80", "U+110000": b"\xf4\x90\x80\x80",
    "five bytes": b"\xf8\x88\x80\x80\x80", "six bytes": b"\xfc\x84\x80\x80\x80\x80", "a surrogate": b"\xed\xa0\x80",
    "the last of the first half": b"\xed\xaf\xbf", "the first of the second": b"\xed\xb0\x80",
    "the last of them": b"\xed\xbf\xbf", "a pair": b"\xed\xa0\x80\xed\xb0\x80",
}
for i, (what, data) in enumerate(INVALID.items(), 1):
    text = b'{"type":"ping","ref":"' + data + b'"}'
    case("6.3.%d" % i, what, frame(TEXT, text), ("close", 1007))
    case("6.4.%d" % i, what + ", in a message that is not finished", frame(TEXT, text[:-2], fin=False),
         ("close", 1007))
case("6.1.1", "a message that ends inside a character", frame(TEXT, b'{"type":"ping","ref":"\xe2\x82'),
     ("close", 1007))

# 7: closing
case("7.1.1", "a text, then a close", frame(TEXT, ask("last")) + close(1000), ("any-or-close", 1000))
case("7.1.2", "two closes", close(1000) + close(1000), ("close", 1000))
case("7.1.3", "a ping after the close", close(1000) + frame(PING), ("close", 1000))
case("7.1.4", "a text after the close", close(1000) + frame(TEXT, ask("late")), ("close", 1000))
case("7.1.5", "a close inside a message", frame(TEXT, whole[:9], fin=False) + close(1000) + frame(MORE, whole[9:]),
     ("close", 1000))
case("7.3.1", "a close without a code", close(), ("close", None))
case("7.3.2", "a close with half a code", frame(CLOSE, b"\x03"), ("close", 1002))
case("7.3.3", "a close with a code", close(1000), ("close", 1000))
case("7.3.4", "and a reason", close(1000, b"Hello World!"), ("close", 1000))
case("7.3.5", "a reason of 123 bytes", close(1000, b"x" * 123), ("close", 1000))
case("7.3.6", "a reason of 124 bytes", close(1000, b"x" * 124), ("close", 1002))
case("7.5.1", "a reason that is not UTF-8", close(1000, b"\xce\xba\xe1\xbd\xb9\xcf\x83\xed\xa0\x80"), ("close", 1007))
for i, code in enumerate([1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999],
                         1):
    case("7.7.%d" % i, "code %d" % code, close(code), ("close", code))
for i, code in enumerate([0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535], 1):
    case("7.9.%d" % i, "code %d" % code, close(code), ("close", 1002))

# 9: sizes, and the limit
case("9.1.1", "a message as large as is taken", frame(TEXT, ask("limit", LIMIT)), ("ref", "limit"))
case("9.1.2", "one byte more", frame(TEXT, ask("limit", LIMIT + 1)), ("close", 1009))
case("9.1.3", "a head that says 1 GiB", b"\x81\xff" + struct.pack("!Q", 1 << 30) + b"abcd", ("close", 1009))
case("9.3.1", "the limit in fragments of 64", fragments(ask("limit", LIMIT), *range(64, LIMIT, 64)), ("ref", "limit"))
case("9.3.2", "fragments beyond it", fragments(ask("limit", LIMIT + 1), *range(4096, LIMIT, 4096)), ("close", 1009))
case("9.7.1", "many small ones", b"".join(frame(TEXT, ask("n%d" % i)) for i in range(1000)),
     *[("ref", "n%d" % i) for i in range(1000)])


# 12: compressed messages of the client
def squeeze(text):
    engine = zlib.compressobj(wbits=-15)
    data = engine.compress(text) + engine.flush(zlib.Z_SYNC_FLUSH)
    return data[:-4]


DEFLATE = "permessage-deflate; client_no_context_takeover"
case("12.1", "a compressed text", frame(TEXT, squeeze(ask("small")), rsv=4), ("ref", "small"), extensions=DEFLATE)
case("12.2", "one that is not", frame(TEXT, ask("plain")), ("ref", "plain"), extensions=DEFLATE)
case("12.3", "one in fragments", frame(TEXT, squeeze(ask("parts"))[:5], fin=False, rsv=4) +
     frame(MORE, squeeze(ask("parts"))[5:]), ("ref", "parts"), extensions=DEFLATE)
case("12.4", "as large as is taken", frame(TEXT, squeeze(ask("limit", LIMIT)), rsv=4), ("ref", "limit"),
     extensions=DEFLATE)
case("12.5", "larger: 16 MiB in 16 KiB", frame(TEXT, squeeze(ask("bomb", 16 << 20)), rsv=4), ("close", 1009),
     extensions=DEFLATE)
case("12.6", "bytes that deflate does not know", frame(TEXT, b"\xff\xff\xff\xff", rsv=4), ("close", 1007),
     extensions=DEFLATE)
case("12.7", "text that is not UTF-8, compressed", frame(TEXT, squeeze(b'{"ref":"\xff"}'), rsv=4), ("close", 1007),
     extensions=DEFLATE)
case("12.8", "the bit on a continuation", frame(TEXT, squeeze(ask("x"))[:5], fin=False, rsv=4) +
     frame(MORE, squeeze(ask("x"))[5:], rsv=4), ("close", 1002), extensions=DEFLATE)
case("12.9", "the bit on a ping", frame(PING, b"", rsv=4), ("close", 1002), extensions=DEFLATE)

HANDSHAKES = [
    ("H.1", "as it should be", {}, 101, {"sec-websocket-accept": ACCEPT, "upgrade": "websocket"}),
    ("H.2", "words in any case, several in Connection", {"Upgrade": "WebSocket", "Connection": "Keep-Alive, UPGRADE"}, 101,
     {"sec-websocket-accept": ACCEPT}),
    ("H.3", "another version", {"Sec-WebSocket-Version": "8"}, 426, {"sec-websocket-version": "13"}),
    ("H.4", "no version", {"Sec-WebSocket-Version": None}, 400, {}),
    ("H.5", "no key", {"Sec-WebSocket-Key": None}, 400, {}),
    ("H.6", "a key of 15 bytes", {"Sec-WebSocket-Key": base64.b64encode(b"x" * 15).decode()}, 400, {}),
    ("H.7", "a key that is not base64", {"Sec-WebSocket-Key": "!" * 24}, 400, {}),
    ("H.8", "no upgrade", {"Upgrade": None, "Connection": "keep-alive"}, 426, {}),
    ("H.9", "no credentials", {"Authorization": None}, 401, {}),
    ("H.10", "a page of elsewhere", {"Origin": "https://elsewhere.example"}, 403, {}),
    ("H.11", "a page of here", {"Origin": "http://" + URL.netloc}, 101, {}),
    ("H.12", "an extension that nobody knows", {"Sec-WebSocket-Extensions": "x-unknown"}, 101,
     {"sec-websocket-extensions": None}),
    ("H.13", "an extension that breaks the grammar", {"Sec-WebSocket-Extensions": "permessage-deflate; ="}, 400, {}),
    ("H.14", "subprotocols that nobody knows", {"Sec-WebSocket-Protocol": "chat, superchat"}, 101,
     {"sec-websocket-protocol": None}),
]


def handshake(change, status, wanted):
    headers = {"Authorization": "ApiKey " + KEY, "Connection": "Upgrade", "Upgrade": "websocket",
               "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": NONCE, **change}
    peer = Peer.__new__(Peer)
    peer.socket = socket.create_connection((URL.hostname, URL.port), 20)
    peer.unread = b""
    head = peer.shake("GET /api/v1/ws HTTP/1.1\r\nHost: %s\r\n" % URL.netloc + "".join(
        "%s: %s\r\n" % item for item in headers.items() if item[1] is not None))
    lines = head.split("\r\n")
    assert int(lines[0].split()[1]) == status, lines[0]
    got = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    for name, value in wanted.items():
        assert (got.get(name) or "").lower() == (value or "").lower(), (name, got)
    peer.socket.close()


def main():
    failed = count = 0
    for number, what, data, wanted, extensions in CASES:
        for chop in ([False, True] if len(data) <= CHOPPED_MAX else [False]):
            count += 1
            try:
                run(data, wanted, extensions, chop)
            except (AssertionError, EOFError, OSError, KeyError, ValueError) as e:
                failed += 1
                print("FAILED: %s %s%s: %r" % (number, what, ", byte by byte" if chop else "", e))
    for number, what, change, status, wanted in HANDSHAKES:
        count += 1
        try:
            handshake(change, status, wanted)
        except (AssertionError, EOFError, OSError) as e:
            failed += 1
            print("FAILED: %s %s: %r" % (number, what, e))
    print("%d passed, %d failed" % (count - failed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
