#!/usr/bin/env python3
"""Known answers for the handshake, from an implementation of its own.

Written from the WireGuard paper (section 5.4), RFC 7748 (X25519), RFC 8439
(ChaCha20-Poly1305) and the XChaCha draft, in plain Python: nothing here is
shared with weft.  BLAKE2s is Python's.  Each primitive is checked against its
RFC before anything is printed.

    tests/protocol/vectors/make_vectors.py > tests/protocol/vectors.inc
"""

import hashlib
import hmac as python_hmac
import struct

# -- X25519 (RFC 7748, section 5) ---------------------------------------------

P = 2**255 - 19


def clamp(scalar):
    scalar = bytearray(scalar)
    scalar[0] &= 248
    scalar[31] &= 127
    scalar[31] |= 64
    return bytes(scalar)


def x25519(scalar, point):
    k = int.from_bytes(clamp(scalar), "little")
    x1 = int.from_bytes(point, "little") % 2**255 % P
    x2, z2, x3, z3, swapped = 1, 0, x1, 1, 0
    for t in reversed(range(255)):
        bit = k >> t & 1
        if swapped != bit:
            x2, x3, z2, z3 = x3, x2, z3, z2
        swapped = bit
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        aa, bb, da, cb = a * a, b * b, d * a, c * b
        e = aa - bb
        x3, z3 = (da + cb) ** 2 % P, x1 * (da - cb) ** 2 % P
        x2, z2 = aa * bb % P, e * (aa + 121665 * e) % P
    if swapped:
        x2, z2 = x3, z3
    return (x2 * pow(z2, P - 2, P) % P).to_bytes(32, "little")


def public(private):
    return x25519(private, b"\x09" + bytes(31))


# -- ChaCha20-Poly1305 (RFC 8439) and XChaCha (draft-irtf-cfrg-xchacha-03) ----


def rotate(value, bits):
    return (value << bits | value >> (32 - bits)) & 0xFFFFFFFF


def chacha_rounds(words):
    s = list(words)

    def quarter(a, b, c, d):
        for x, y, z, bits in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            s[x] = (s[x] + s[y]) & 0xFFFFFFFF
            s[z] = rotate(s[z] ^ s[x], bits)

    for _ in range(10):
        for i in range(4):
            quarter(i, 4 + i, 8 + i, 12 + i)
        for i in range(4):
            quarter(i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4)
    return s


def chacha_state(key, last_four_words):
    return struct.unpack("<4I", b"expand 32-byte k") + struct.unpack("<8I", key) + last_four_words


def chacha_block(key, counter, nonce):
    start = chacha_state(key, (counter,) + struct.unpack("<3I", nonce))
    words = zip(chacha_rounds(start), start)
    return struct.pack("<16I", *((a + b) & 0xFFFFFFFF for a, b in words))


def hchacha(key, nonce):
    words = chacha_rounds(chacha_state(key, struct.unpack("<4I", nonce)))
    return struct.pack("<8I", *(words[:4] + words[12:]))


def chacha_xor(key, counter, nonce, text):
    out = bytearray()
    for i in range(0, len(text), 64):
        block = chacha_block(key, counter + i // 64, nonce)
        out += bytes(a ^ b for a, b in zip(text[i : i + 64], block))
    return bytes(out)


def poly1305(key, message):
    r = int.from_bytes(key[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    total = 0
    for i in range(0, len(message), 16):
        total = (total + int.from_bytes(message[i : i + 16] + b"\x01", "little")) * r % (2**130 - 5)
    total += int.from_bytes(key[16:], "little")
    return (total % 2**128).to_bytes(16, "little")


def pad16(data):
    return data + bytes(-len(data) % 16)


def aead(key, nonce, text, additional):
    sealed = chacha_xor(key, 1, nonce, text)
    lengths = struct.pack("<QQ", len(additional), len(sealed))
    one_time = chacha_block(key, 0, nonce)[:32]
    return sealed + poly1305(one_time, pad16(additional) + pad16(sealed) + lengths)


def xaead(key, nonce, text, additional):
    return aead(hchacha(key, nonce[:16]), bytes(4) + nonce[16:], text, additional)


# -- the paper's functions (section 5.4) --------------------------------------


def blake_hash(data):
    return hashlib.blake2s(data).digest()


def mac(key, data):
    return hashlib.blake2s(data, key=key, digest_size=16).digest()


def hmac(key, data):
    return python_hmac.new(key, data, hashlib.blake2s).digest()


def kdf(count, key, data):
    secret = hmac(key, data)
    outputs, last = [], b""
    for i in range(1, count + 1):
        last = hmac(secret, last + bytes([i]))
        outputs.append(last)
    return outputs


def paper_aead(key, counter, text, additional):
    return aead(key, bytes(4) + struct.pack("<Q", counter), text, additional)


def check_primitives():
    """The RFCs' own examples."""
    unhex = bytes.fromhex
    # RFC 7748, 5.2
    assert x25519(
        unhex("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4"),
        unhex("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c"),
    ) == unhex("c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552")
    k = u = b"\x09" + bytes(31)
    for _ in range(1000):
        k, u = x25519(k, u), k
    assert k == unhex("684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51")
    # RFC 8439, 2.8.2
    text = (
        b"Ladies and Gentlemen of the class of '99: If I could offer you "
        b"only one tip for the future, sunscreen would be it."
    )
    key = bytes(range(0x80, 0xA0))
    additional = unhex("50515253c0c1c2c3c4c5c6c7")
    sealed = aead(key, unhex("070000004041424344454647"), text, additional)
    assert sealed[-16:] == unhex("1ae10b594f09e26a7e902ecbd0600691")
    # draft-irtf-cfrg-xchacha-03, 2.2.1 and A.3.1
    assert hchacha(bytes(range(32)), unhex("000000090000004a0000000031415927")) == unhex(
        "82413b4227b27bfed30e42508a877d73a0f9e4d58a74a853c12ec41326d3ecdc"
    )
    sealed = xaead(key, bytes(range(0x40, 0x58)), text, additional)
    assert sealed[-16:] == unhex("c0875924c1c7987947deafd8780acf49")
    # RFC 7693, B
    assert blake_hash(b"abc") == unhex(
        "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982"
    )


def low_order_points():
    """All texts of the points with which X25519 gives zero.

    u is 0, 1, -1 or one of two points of order 8, written with or without P
    added where that fits into 255 bits, and with either value of bit 255.
    """
    order_8 = "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"
    for u in (0, 1, P - 1, P, P + 1, int.from_bytes(bytes.fromhex(order_8), "little"),
              twin_of_order_8(int.from_bytes(bytes.fromhex(order_8), "little"))):
        for bit_255 in (0, 2**255):
            point = (u + bit_255).to_bytes(32, "little")
            assert x25519(fixed("any"), point) == bytes(32)
            yield point


def twin_of_order_8(u):
    """Doubling is even in u -> 1 / u, so the inverse has order 8 as well."""
    return pow(u, P - 2, P)


# -- the messages (sections 5.4.2 to 5.4.7) -----------------------------------

CONSTRUCTION = b"Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s"
IDENTIFIER = b"WireGuard v1 zx2c4 Jason@zx2c4.com"
NO_MAC = bytes(16)


def fixed(name, size=32):
    """Bytes that look random, and stand for what a random source would give."""
    return hashlib.shake_128(b"weft vectors: " + name.encode()).digest(size)


def tai64n(seconds, nanoseconds):
    return struct.pack(">QI", 2**62 + 10 + seconds, nanoseconds)


def mac1(checker_public, message_without_macs):
    return mac(blake_hash(b"mac1----" + checker_public), message_without_macs)


def handshake(i_static, r_static, i_ephemeral, r_ephemeral, psk, sender, responder, timestamp,
              ei_public=None, er_public=None):
    """Both messages and the transport keys (initiator to responder first).

    The last two replace an ephemeral public key by one of low order, as an
    attacker would: all that is agreed upon with it is zero.
    """
    i_public, r_public = public(i_static), public(r_static)
    es, ee, se = (
        x25519(i_ephemeral, r_public),
        x25519(r_ephemeral, public(i_ephemeral)),
        x25519(r_ephemeral, i_public),
    )
    if ei_public:
        es = ee = bytes(32)
    if er_public:
        ee = se = bytes(32)
    ei_public = ei_public or public(i_ephemeral)
    er_public = er_public or public(r_ephemeral)
    # First message
    c = blake_hash(CONSTRUCTION)
    h = blake_hash(blake_hash(c + IDENTIFIER) + r_public)
    h = blake_hash(h + ei_public)
    (c,) = kdf(1, c, ei_public)
    c, key = kdf(2, c, es)
    sealed_static = paper_aead(key, 0, i_public, h)
    h = blake_hash(h + sealed_static)
    c, key = kdf(2, c, x25519(i_static, r_public))
    sealed_time = paper_aead(key, 0, timestamp, h)
    h = blake_hash(h + sealed_time)
    first = struct.pack("<II", 1, sender) + ei_public + sealed_static + sealed_time
    first += mac1(r_public, first) + NO_MAC
    # Second message
    (c,) = kdf(1, c, er_public)
    h = blake_hash(h + er_public)
    (c,) = kdf(1, c, ee)
    (c,) = kdf(1, c, se)
    c, tau, key = kdf(3, c, psk)
    h = blake_hash(h + tau)
    sealed_empty = paper_aead(key, 0, b"", h)
    second = struct.pack("<III", 2, responder, sender) + er_public + sealed_empty
    second += mac1(i_public, second) + NO_MAC
    return first, second, kdf(2, c, b"")


def transport(key, receiver, counter, packet):
    header = struct.pack("<IIQ", 4, receiver, counter)
    return header + paper_aead(key, counter, packet, b"")


def cookie_reply(checker_public, message, nonce, cookie):
    """The answer to a handshake message that ends with both MACs."""
    key = blake_hash(b"cookie--" + checker_public)
    sealed_cookie = xaead(key, nonce, cookie, message[-32:-16])
    return struct.pack("<I", 3) + message[4:8] + nonce + sealed_cookie


# -- the output ---------------------------------------------------------------


def literal(value):
    text = value.hex()
    return "\n    ".join(f'"{text[i : i + 64]}"' for i in range(0, len(text), 64))


def emit(name, value):
    print(f"inline constexpr std::string_view {name}")
    print(f"  = {literal(value)};")


def emit_list(name, values):
    print(f"inline constexpr auto {name} = std::to_array<std::string_view>({{")
    for value in values:
        print(f"    ({literal(value)}),")
    print("});")


def main():
    check_primitives()
    names = ["initiator_static", "responder_static", "initiator_ephemeral", "responder_ephemeral"]
    keys = [fixed(name) for name in names]
    sender, responder = 0x1C0FFEE1, 0xF00DBA11
    seconds, nanoseconds = 1700000000, 117440512
    timestamp = tai64n(seconds, nanoseconds)
    packet = fixed("packet", 96)

    print("// Written by vectors/make_vectors.py; not to be edited.\n")
    for name, key in zip(names, keys):
        emit(name, key)
        emit(name + "_public", public(key))
    print(f"inline constexpr std::uint32_t initiator_index = {sender:#x};")
    print(f"inline constexpr std::uint32_t responder_index = {responder:#x};")
    print(f"inline constexpr std::int64_t timestamp_seconds = {seconds};")
    print(f"inline constexpr std::int64_t timestamp_nanoseconds = {nanoseconds};")
    emit("timestamp", timestamp)
    emit("packet", packet)

    for name, psk in (("without_psk", bytes(32)), ("with_psk", fixed("psk"))):
        first, second, (to_responder, to_initiator) = handshake(
            *keys, psk, sender, responder, timestamp
        )
        print(f"\nnamespace {name} {{")
        emit("psk", psk)
        emit("initiation", first)
        emit("response", second)
        emit("key_to_responder", to_responder)
        emit("key_to_initiator", to_initiator)
        emit("keepalive", transport(to_responder, responder, 0, b""))
        emit("data_to_responder", transport(to_responder, responder, 1, packet))
        emit("data_to_initiator", transport(to_initiator, sender, 2**40 + 3, packet))
        print(f"}} // namespace {name}")

    print("\nnamespace cookies {")
    r_public = public(keys[1])
    cookie_secret = fixed("cookie secret")
    emit("cookie_secret", cookie_secret)
    port = 51820
    for family, address in (("v4", bytes([192, 0, 2, 33])), ("v6", fixed("address", 16))):
        nonce = fixed("nonce " + family, 24)
        cookie = mac(cookie_secret, address + struct.pack(">H", port))
        emit(f"{family}_address", address)
        emit(f"{family}_nonce", nonce)
        emit(f"{family}_reply", cookie_reply(r_public, first, nonce, cookie))
        emit(f"{family}_initiation", first[:-16] + mac(cookie, first[:-16]))
    print(f"inline constexpr std::uint16_t port = {port};")
    print("} // namespace cookies")

    print("\nnamespace low_order {")
    points = list(low_order_points())
    common = (*keys, bytes(32), sender, responder, timestamp)
    emit_list("public_keys", points)
    emit_list("initiations", (handshake(*common, ei_public=point)[0] for point in points))
    emit_list("responses", (handshake(*common, er_public=point)[1] for point in points))
    print("} // namespace low_order")


if __name__ == "__main__":
    main()
