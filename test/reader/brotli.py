"""Unpacks Brotli (RFC 7932), with nothing but Python's standard library.

Streams that use the static dictionary (appendix A) or the UTF-8 contexts of 7.1 are refused: the writer of snapshots uses neither.
Section numbers are those of the RFC.
"""

# Symbols of code lengths (3.5), in their order in the stream.
ORDER = (1, 2, 3, 4, 0, 5, 17, 6, 16, 7, 8, 9, 10, 11, 12, 13, 14, 15)
# Extra bits of insert lengths, copy lengths (5) and block counts (6); each code begins where the one before it ends.
INSERT_EXTRA = (0, 0, 0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 7, 8, 9, 10, 12, 14, 24)
COPY_EXTRA = (0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 7, 8, 9, 10, 24)
COUNT_EXTRA = (2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 6, 6, 7, 8, 9, 10, 11, 12, 13, 24)
# First insert and copy code of each 64 insert-and-copy symbols (5); those of the first two cells repeat the last distance.
CELLS = ((0, 0), (0, 8), (0, 0), (0, 8), (8, 0), (8, 8), (0, 16), (16, 0), (8, 16), (16, 8), (16, 16))
# Distance symbols 0 to 15 (4): which of the last distances, and what is added.
LAST = ((0, 0), (1, 0), (2, 0), (3, 0), (0, -1), (0, 1), (0, -2), (0, 2), (0, -3), (0, 3), (1, -1), (1, 1), (1, -2), (1, 2), (1, -3), (1, 3))
LSB6, MSB6, UTF8, SIGNED = range(4)


def ranges(first, extras):
    """(base, extra bits) of each code."""
    found = []
    for extra in extras:
        found.append((first, extra))
        first += 1 << extra
    return found


INSERT, COPY, COUNT = ranges(0, INSERT_EXTRA), ranges(2, COPY_EXTRA), ranges(1, COUNT_EXTRA)


class Damaged(ValueError):
    pass


def need(condition, message):
    if not condition:
        raise Damaged(f"Brotli: {message}")


class Bits:
    """Numbers from the stream, lowest bits first (1.5)."""

    def __init__(self, data):
        self.data, self.at, self.held, self.count = data, 0, 0, 0

    def fill(self, wanted):
        while self.count < wanted:
            piece = self.data[self.at : self.at + 8]
            # Beyond the end there are zeros to look at, but not to take.
            self.held |= int.from_bytes(piece, "little") << self.count
            self.at += 8
            self.count += 64

    def peek(self, width):
        self.fill(width)
        return self.held & (1 << width) - 1

    def skip(self, width):
        self.held >>= width
        self.count -= width
        need(self.at * 8 - self.count <= len(self.data) * 8, "cut short")

    def take(self, width):
        value = self.peek(width)
        self.skip(width)
        return value

    def whole(self, count):
        """Bytes, from the next byte on; what is left of this one is zeros (9.2)."""
        need(self.take(self.count % 8) == 0, "bits that should be zeros")
        start = self.at - self.count // 8
        need(start + count <= len(self.data), "cut short")
        self.at, self.held, self.count = start + count, 0, 0
        return self.data[start : start + count]

    def end(self):
        need(self.take(self.count % 8) == 0 and self.at - self.count // 8 == len(self.data), "something follows the end")


class Code:
    """A prefix code of these lengths by symbol (3.2): a table of what the next bits are."""

    def __init__(self, lengths):
        used = sorted((length, symbol) for symbol, length in enumerate(lengths) if length)
        self.width = used[-1][0] if used else 0
        self.table = [None] * (1 << self.width)
        code, before = 0, 0
        for length, symbol in used:
            code <<= length - before
            need(code < 1 << length, "a prefix code of too many symbols")
            backwards = int(format(code, f"0{length}b")[::-1], 2)
            self.table[backwards :: 1 << length] = [(length, symbol)] * (1 << self.width - length)
            code, before = code + 1, length
        need(None not in self.table, "a prefix code with gaps")

    @classmethod
    def single(cls, symbol):
        return cls.fixed({symbol: ""})

    @classmethod
    def fixed(cls, digits):
        """Of these symbols, with their bits in the order of a number."""
        code = cls.__new__(cls)
        code.width = max(map(len, digits.values()))
        code.table = [None] * (1 << code.width)
        for symbol, own in digits.items():
            code.table[int(own or "0", 2) :: 1 << len(own)] = [(len(own), symbol)] * (1 << code.width - len(own))
        return code

    def read(self, bits):
        length, symbol = self.table[bits.peek(self.width)]
        bits.skip(length)
        return symbol


# Of the lengths of code lengths, 0 to 5 (3.5).
LENGTH_CODE = Code.fixed({0: "00", 4: "01", 3: "10", 2: "011", 1: "0111", 5: "1111"})


def read_code(bits, size):
    skipped = bits.take(2)
    return simple_code(bits, size) if skipped == 1 else complex_code(bits, size, skipped)


def simple_code(bits, size):
    """3.4"""
    count, width = bits.take(2) + 1, (size - 1).bit_length()
    symbols = [bits.take(width) for _ in range(count)]
    need(len(set(symbols)) == count and max(symbols) < size, "a simple prefix code of wrong symbols")
    if count == 1:
        return Code.single(symbols[0])
    by_symbol = {2: (1, 1), 3: (1, 2, 2)}.get(count) or ((1, 2, 3, 3) if bits.take(1) else (2, 2, 2, 2))
    lengths = [0] * size
    for symbol, length in zip(symbols, by_symbol):
        lengths[symbol] = length
    return Code(lengths)


def complex_code(bits, size, skipped):
    """3.5"""
    of_lengths, space = [0] * 18, 32
    for symbol in ORDER[skipped:]:
        length = of_lengths[symbol] = LENGTH_CODE.read(bits)
        if length:
            space -= 32 >> length
            if space <= 0:
                break
    used = [symbol for symbol in range(18) if of_lengths[symbol]]
    need(space == 0 or len(used) == 1, "lengths of a prefix code that do not add up")
    code = Code(of_lengths) if space == 0 else Code.single(used[0])
    lengths, space, before, repeated, times = [], 32768, 8, None, 0
    while len(lengths) < size and space > 0:
        symbol = code.read(bits)
        if symbol < 16:
            lengths.append(symbol)
            if symbol:
                before, space = symbol, space - (32768 >> symbol)
            repeated = None
            continue
        # Of several that follow each other, each says more of the count.
        width = symbol - 14
        now = bits.take(width) + 3 + ((times - 2 << width) if repeated == symbol else 0)
        added = now - (times if repeated == symbol else 0)
        repeated, times = symbol, now
        length = before if symbol == 16 else 0
        lengths += [length] * added
        space -= (32768 >> length) * added if length else 0
    need(space == 0 and len(lengths) <= size, "a prefix code that does not add up")
    return Code(lengths)


def few(bits):
    """1 to 256: block types and trees (9.2)."""
    if not bits.take(1):
        return 1
    width = bits.take(3)
    return (1 << width) + 1 + bits.take(width)


class Blocks:
    """Of literals, commands or distances: which type of block is now (6)."""

    def __init__(self, bits):
        self.bits, self.types, self.type, self.before, self.left = bits, few(bits), 0, 1, 1 << 24
        if self.types > 1:
            self.of_types, self.of_counts = read_code(bits, self.types + 2), read_code(bits, 26)
            self.left = self.count()

    def count(self):
        base, extra = COUNT[self.of_counts.read(self.bits)]
        return base + self.bits.take(extra)

    def next(self):
        if self.left == 0:
            symbol = self.of_types.read(self.bits)
            after = self.before if symbol == 0 else (self.type + 1) % self.types if symbol == 1 else symbol - 2
            self.before, self.type, self.left = self.type, after, self.count()
        self.left -= 1
        return self.type


def context_map(bits, size):
    """The number of trees, and which is whose (7.3)."""
    trees = few(bits)
    if trees == 1:
        return 1, [0] * size
    most = bits.take(4) + 1 if bits.take(1) else 0
    code, found = read_code(bits, trees + most), []
    while len(found) < size:
        symbol = code.read(bits)
        found += [0] * ((1 << symbol) + bits.take(symbol)) if 0 < symbol <= most else [max(0, symbol - most)]
    need(len(found) == size, "a context map that is too long")
    if bits.take(1):
        front = list(range(256))
        for at, index in enumerate(found):
            front.insert(0, front.pop(index))
            found[at] = front[0]
    need(max(found) < trees, "a context of no tree")
    return trees, found


def signed(byte):
    """Lut2 of 7.1."""
    return sum(byte >= first for first in (1, 16, 64, 128, 192, 240, 255))


def literal_context(mode, out):
    last, before = out[-1] if out else 0, out[-2] if len(out) > 1 else 0
    if mode == LSB6:
        return last & 63
    if mode == MSB6:
        return last >> 2
    need(mode == SIGNED, "UTF-8 contexts, which this reader does not know")
    return signed(last) << 3 | signed(before)


def compressed(bits, out, end, window, last):
    """The commands of a meta-block (9.3), until so many bytes are there."""
    literals, commands, distances = Blocks(bits), Blocks(bits), Blocks(bits)
    postfix = bits.take(2)
    direct = bits.take(4) << postfix
    modes = [bits.take(2) for _ in range(literals.types)]
    literal_trees, literal_map = context_map(bits, 64 * literals.types)
    distance_trees, distance_map = context_map(bits, 4 * distances.types)
    of_literals = [read_code(bits, 256) for _ in range(literal_trees)]
    of_commands = [read_code(bits, 704) for _ in range(commands.types)]
    of_distances = [read_code(bits, 16 + direct + (48 << postfix)) for _ in range(distance_trees)]
    while len(out) < end:
        symbol = of_commands[commands.next()].read(bits)
        first_insert, first_copy = CELLS[symbol >> 6]
        base, extra = INSERT[first_insert + (symbol >> 3 & 7)]
        insert = base + bits.take(extra)
        base, extra = COPY[first_copy + (symbol & 7)]
        copy = base + bits.take(extra)
        need(len(out) + insert <= end, "more literals than there is room for")
        for _ in range(insert):
            kind = literals.next()
            context = literal_context(modes[kind], out) if literal_trees > 1 else 0
            out.append(of_literals[literal_map[64 * kind + context]].read(bits))
        if len(out) == end:
            return
        code = 0 if symbol < 128 else of_distances[distance_map[4 * distances.next() + min(copy, 5) - 2]].read(bits)
        if code < 16:
            which, more = LAST[code]
            distance = last[which] + more
        elif code < 16 + direct:
            distance = code - 15
        else:
            high = code - direct - 16 >> postfix
            width = 1 + (high >> 1)
            offset = ((2 + (high & 1)) << width) - 4 + bits.take(width)
            distance = (offset << postfix) + (code - direct - 16 & (1 << postfix) - 1) + direct + 1
        need(distance > 0, "a distance that is not positive")
        need(distance <= min(window, len(out)), "the static dictionary, which this reader does not know")
        if code != 0:
            last[:] = [distance, *last[:3]]
        need(len(out) + copy <= end, "a copy longer than there is room for")
        start = len(out) - distance
        # A copy may overlap what it makes.
        for at in range(start, start + copy):
            out.append(out[at])


def unpack(data, most):
    """The contents, of `most` bytes at most (9.1, 9.2)."""
    bits, out, last = Bits(data), bytearray(), [4, 11, 15, 16]
    width = 16
    if bits.take(1):
        width = 17 + bits.take(3)
        if width == 17:
            more = bits.take(3)
            need(more != 1, "a window that there is not")
            width = 8 + more if more else 17
    while True:
        is_last = bits.take(1)
        if is_last and bits.take(1):
            break
        nibbles = bits.take(2) + 4
        if nibbles == 7:
            need(not is_last and bits.take(1) == 0, "a reserved bit")
            count = bits.take(2)
            length = bits.take(8 * count) + 1 if count else 0
            need(count < 2 or length - 1 >> 8 * (count - 1), "a length longer than it has to be")
            bits.whole(length)
            continue
        length = bits.take(4 * nibbles) + 1
        need(nibbles == 4 or length - 1 >> 4 * (nibbles - 1), "a length longer than it has to be")
        need(len(out) + length <= most, "more contents than there should be")
        if not is_last and bits.take(1):
            out += bits.whole(length)
        else:
            compressed(bits, out, len(out) + length, (1 << width) - 16, last)
        if is_last:
            break
    bits.end()
    return bytes(out)
