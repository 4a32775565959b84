#!/usr/bin/env python3
"""Reads a snapshot file by docs/snapshot-format.md alone, with nothing but Python's standard library.

Prints all of it as JSON: byte strings and hashes as hexadecimal digits, integers beyond 2^53 as hexadecimal strings. With
--fields a line for every field of every chunk instead, chips' registers with their bits by the file's own schema.
What the format does not allow ends it, with exit code 1.
"""
import hashlib
import json
import struct
import sys
import zlib

import brotli  # the one beside this file

MAGIC = b"\x89GSNAP\r\n"
HEADER = 128
DEEPEST = 32


class Bad(Exception):
    pass


def need(condition, message):
    if not condition:
        raise Bad(message)


class Cbor:
    """RFC 8949 in the deterministic form of 4.2.1; no tags, no undefined, no NaN and infinities."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        need(self.at + count <= len(self.data), "CBOR: cut short")
        piece = self.data[self.at : self.at + count]
        self.at += count
        return piece

    def head(self):
        first = self.take(1)[0]
        kind, info = first >> 5, first & 31
        if info < 24 or kind == 7:
            return kind, info, info
        need(info <= 27, "CBOR: no definite length")
        value = int.from_bytes(self.take(1 << (info - 24)), "big")
        need(value >= (24 if info == 24 else 1 << (8 << (info - 25))), "CBOR: a number longer than it has to be")
        return kind, info, value

    def item(self, depth=0):
        need(depth <= DEEPEST, "CBOR: nested too deep")
        kind, info, value = self.head()
        if kind == 0:
            return value
        if kind == 1:
            return -1 - value
        if kind == 2:
            return self.take(value)
        if kind == 3:
            return self.take(value).decode("utf-8")
        if kind == 4:
            return [self.item(depth + 1) for _ in range(value)]
        if kind == 5:
            return self.map(value, depth)
        need(kind == 7, "CBOR: tags are not used")
        if info in (20, 21):
            return info == 21
        if info == 22:
            return None
        if info == 25:
            return struct.unpack(">e", self.take(2))[0]
        if info == 26:
            return struct.unpack(">f", self.take(4))[0]
        need(info == 27, "CBOR: a simple value that is not used")
        return struct.unpack(">d", self.take(8))[0]

    def map(self, count, depth):
        found, before = {}, b""
        for _ in range(count):
            start = self.at
            key = self.item(depth + 1)
            encoded = self.data[start : self.at]
            need(encoded > before, "CBOR: keys out of order")
            before = encoded
            found[key] = self.item(depth + 1)
        return found


def decode(data, what):
    reader = Cbor(data)
    value = reader.item()
    need(reader.at == len(data) and isinstance(value, dict), f"{what}: not one map")
    return value


def contents(data, entry, what):
    """What is stored at an entry of the manifest, unpacked and held against its hash."""
    stored = data[entry["offset"] : entry["offset"] + entry["length"]]
    if entry["codec"] == "brotli":
        stored = brotli.unpack(stored, entry["size"])
    elif entry["codec"] == "deflate":
        unpacker = zlib.decompressobj(-15)
        stored = unpacker.decompress(stored, entry["size"] + 1)
        need(unpacker.eof and unpacker.unused_data == b"", f"{what}: something else is stored")
    else:
        need(entry["codec"] == "raw", f"{what}: codec {entry['codec']}")
    need(len(stored) == entry["size"], f"{what}: not of its size")
    need(hashlib.sha256(stored).digest() == entry["hash"], f"{what}: not of its hash")
    return stored


def text(padded):
    return padded.rstrip(b"\0").decode("ascii")


def read(data):
    need(len(data) >= HEADER and data[:8] == MAGIC, "this is no snapshot")
    format_, oldest, manifest_at, manifest_length = struct.unpack_from("<IIQQ", data, 8)
    identity, architecture, producer = data[32:64], text(data[64:80]), text(data[80:112])
    need(oldest <= 3 and format_ >= 2, f"format {format_}, written by {producer}")
    (length,) = struct.unpack_from("<Q", data, 112)
    need(data[120:128] == hashlib.sha256(data[:120]).digest()[:8], "header: not of its hash")
    need(length == len(data) == manifest_at + manifest_length, "the file has another length than its header says")
    packed = data[manifest_at:]
    need(hashlib.sha256(packed).digest() == identity, "manifest: not of its hash")
    manifest = decode(packed, "manifest")
    need(sorted(manifest) == ["blobs", "chunks", "parent"], "manifest: fields")
    end = HEADER
    for entry in manifest["chunks"] + manifest["blobs"]:
        need(entry["offset"] == end, "a gap or an overlap")
        end += entry["length"]
    need(end == manifest_at, "a gap before the manifest")
    need(all(entry["codec"] != "brotli" for entry in manifest["chunks"]), "a chunk in Brotli")
    chunks = [
        {
            "kind": entry["kind"],
            "instance": entry["instance"],
            "version": entry["version"],
            "mandatory": entry["mandatory"],
            "fields": decode(contents(data, entry, entry["kind"]), entry["kind"]),
        }
        for entry in manifest["chunks"]
    ]
    names = [(chunk["kind"], chunk["instance"]) for chunk in chunks]
    need(names == sorted(set(names)), "chunks out of order, or twice")
    for entry in manifest["blobs"]:
        contents(data, entry, "blob")
    blobs = {entry["hash"]: entry["size"] for entry in manifest["blobs"]}
    if manifest["parent"] is None:
        for chunk in chunks:
            for digest, pages in referred(chunk):
                need(digest in blobs, f"{chunk['kind']}: a blob is missing")
                need(pages is None or blobs[digest] == pages * 4096, f"{chunk['kind']}: a blob is of another size")
    return {
        "id": identity,
        "format": format_,
        "producer": producer,
        "architecture": architecture,
        "parent": manifest["parent"],
        "blobs": {
            "count": len(blobs),
            "bytes": sum(entry["length"] for entry in manifest["blobs"]),
            "unpacked": sum(blobs.values()),
        },
        "chunks": chunks,
    }


def referred(chunk):
    """Hashes of blobs that a chunk speaks of, and how many pages each has to have."""
    fields = chunk["fields"]
    if chunk["kind"] == "image":
        return [(digest, None) for digest in fields["pieces"]]
    if chunk["kind"] == "memory":
        lists = [region["groups"] for region in fields["regions"]]
    elif chunk["kind"] == "disk":
        lists = [fields["groups"]]
    elif chunk["kind"] == "history":
        lists = list(fields["contents"].values())
    elif chunk["kind"] == "chronicle":
        return [(picture["hash"], None) for picture in fields["pictures"]]
    else:
        lists = []
    return [(digest, bin(mask).count("1")) for groups in lists for _, mask, digest in groups]


def plain(value):
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 2**53:
        return hex(value)
    return value


def lines(value, schema, path):
    """`path = value` for each value, and the bits of what the schema calls a register."""
    about = schema or {}
    if isinstance(value, dict):
        inner = about.get("fields", {})
        for key in sorted(value):
            yield from lines(value[key], inner.get(key), f"{path}.{key}")
    elif isinstance(value, list) and ("element" in about or any(isinstance(each, dict) for each in value)):
        for index, each in enumerate(value):
            yield from lines(each, about.get("element", about.get("fields", {}).get(str(index))), f"{path}.{index}")
    else:
        bits = about.get("bits", {})
        named = "".join(f" {name}={value >> low & (1 << width) - 1}" for name, (low, width) in bits.items()) if isinstance(value, int) else ""
        yield f"{path} = {json.dumps(plain(value))}{named}"


def checkpoint(fields, schemas):
    """What the schema says of a checkpoint: it has chips and vCPUs, as their own chunks are."""
    return {
        "vcpus": {"element": {"fields": schemas.get("vcpu", {})}},
        "devices": {"fields": {str(index): {"fields": {"fields": {"fields": schemas.get("device." + each["kind"], {})}}} for index, each in enumerate(fields["devices"])}},
    }


def main(arguments):
    fields = "--fields" in arguments
    paths = [argument for argument in arguments if argument != "--fields"]
    if len(paths) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        with open(paths[0], "rb") as file:
            snapshot = read(file.read())
    except (Bad, KeyError, ValueError, TypeError, struct.error, zlib.error, OSError) as error:
        print(f"{paths[0]}: {error}", file=sys.stderr)
        return 1
    if not fields:
        json.dump(plain(snapshot), sys.stdout)
        return 0
    schemas = next((chunk["fields"] for chunk in snapshot["chunks"] if chunk["kind"] == "schema"), {})
    for chunk in snapshot["chunks"]:
        if chunk["kind"] == "schema":
            continue
        known = checkpoint(chunk["fields"], schemas) if chunk["kind"] == "history" else schemas.get(chunk["kind"], {})
        schema = {"fields": known}
        for line in lines(chunk["fields"], schema, " ".join(filter(None, (chunk["kind"], chunk["instance"])))):
            print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
