/** Small ELF and bzImage files for the loaders' tests. */
export interface TestSegment {
  readonly type?: number;
  readonly virtual: number;
  readonly physical: number;
  readonly bytes: Uint8Array;
  readonly memorySize?: number;
}

export interface TestElf {
  readonly bits: 32 | 64;
  readonly entry: number;
  readonly segments: readonly TestSegment[];
  readonly symbols?: readonly { readonly name: string; readonly value: number }[];
}

export function note(owner: string, type: number, description: Uint8Array): Uint8Array {
  const pad = (length: number): number => (length + 3) & ~3;
  const bytes = Buffer.alloc(12 + pad(owner.length + 1) + pad(description.length));
  bytes.writeUInt32LE(owner.length + 1, 0);
  bytes.writeUInt32LE(description.length, 4);
  bytes.writeUInt32LE(type, 8);
  bytes.write(owner, 12);
  bytes.set(description, 12 + pad(owner.length + 1));
  return bytes;
}

export function buildElf({ bits, entry, segments, symbols = [] }: TestElf): Buffer {
  const wide = bits === 64;
  const headerSize = wide ? 64 : 52;
  const segmentHeader = wide ? 56 : 32;
  const sectionHeader = wide ? 64 : 40;
  const parts: Buffer[] = [];
  let length = headerSize + segments.length * segmentHeader;
  const append = (bytes: Uint8Array): number => {
    const at = length;
    parts.push(Buffer.from(bytes));
    length += bytes.length;
    return at;
  };
  const headers = segments.map((s) => {
    const at = append(s.bytes);
    const header = Buffer.alloc(segmentHeader);
    const memorySize = s.memorySize ?? s.bytes.length;
    header.writeUInt32LE(s.type ?? 1, 0);
    const words = wide
      ? [
          [8, at],
          [16, s.virtual],
          [24, s.physical],
          [32, s.bytes.length],
          [40, memorySize],
        ]
      : [
          [4, at],
          [8, s.virtual],
          [12, s.physical],
          [16, s.bytes.length],
          [20, memorySize],
        ];
    for (const [offset, value] of words as [number, number][]) {
      if (wide) header.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)), offset);
      else header.writeUInt32LE(value >>> 0, offset);
    }
    return header;
  });
  const names = Buffer.from(`\0${symbols.map(({ name }) => `${name}\0`).join('')}`);
  let nameAt = 1;
  const table = Buffer.concat([
    Buffer.alloc(wide ? 24 : 16),
    ...symbols.map(({ name, value }) => {
      const symbol = Buffer.alloc(wide ? 24 : 16);
      symbol.writeUInt32LE(nameAt, 0);
      nameAt += name.length + 1;
      symbol.writeUInt8(0x12, wide ? 4 : 12); // global function
      symbol.writeUInt16LE(1, wide ? 6 : 14);
      if (wide) symbol.writeBigUInt64LE(BigInt(value), 8);
      else symbol.writeUInt32LE(value, 4);
      return symbol;
    }),
  ]);
  const sectionNames = Buffer.from('\0.symtab\0.strtab\0.shstrtab\0');
  const sections = (
    [
      [0, 0, 0, 0, 0],
      [1, 2, append(table), table.length, 2],
      [9, 3, append(names), names.length, 0],
      [17, 3, append(sectionNames), sectionNames.length, 0],
    ] as const
  ).map(([name, type, offset, size, link]) => {
    const header = Buffer.alloc(sectionHeader);
    header.writeUInt32LE(name, 0);
    header.writeUInt32LE(type, 4);
    if (wide) {
      header.writeBigUInt64LE(BigInt(offset), 24);
      header.writeBigUInt64LE(BigInt(size), 32);
    } else {
      header.writeUInt32LE(offset, 16);
      header.writeUInt32LE(size, 20);
    }
    header.writeUInt32LE(link, wide ? 40 : 24);
    return header;
  });
  const sectionsAt = append(Buffer.concat(sections));

  const header = Buffer.alloc(headerSize);
  header.set([0x7f, 0x45, 0x4c, 0x46, wide ? 2 : 1, 1, 1]);
  header.writeUInt16LE(2, 16);
  header.writeUInt16LE(wide ? 62 : 3, 18);
  if (wide) {
    header.writeBigUInt64LE(BigInt.asUintN(64, BigInt(entry)), 24);
    header.writeBigUInt64LE(64n, 32);
    header.writeBigUInt64LE(BigInt(sectionsAt), 40);
    [64, segmentHeader, segments.length, sectionHeader, sections.length, 3].forEach((value, index) => header.writeUInt16LE(value, 52 + 2 * index));
  } else {
    header.writeUInt32LE(entry, 24);
    header.writeUInt32LE(52, 28);
    header.writeUInt32LE(sectionsAt, 32);
    [52, segmentHeader, segments.length, sectionHeader, sections.length, 3].forEach((value, index) => header.writeUInt16LE(value, 40 + 2 * index));
  }
  return Buffer.concat([header, ...headers, ...parts]);
}

export interface TestBzImage {
  readonly kernel?: Uint8Array;
  readonly initSize?: number;
  readonly prefAddress?: number;
  readonly xloadFlags?: number;
  readonly initrdAddrMax?: number;
  readonly commandLineSize?: number;
}

export function buildBzImage(options: TestBzImage = {}): Buffer {
  const kernel = options.kernel ?? Buffer.alloc(0x1000, 0x90);
  const setup = Buffer.alloc(1024);
  setup[0x1f1] = 1;
  setup.writeUInt32LE(Math.ceil(kernel.length / 16), 0x1f4);
  setup.writeUInt16LE(0xaa55, 0x1fe);
  setup[0x201] = 0x6a;
  setup.write('HdrS', 0x202);
  setup.writeUInt16LE(0x20f, 0x206);
  setup[0x211] = 1;
  setup.writeUInt32LE(options.initrdAddrMax ?? 0x7fffffff, 0x22c);
  setup.writeUInt32LE(0x200000, 0x230);
  setup[0x234] = 1;
  setup.writeUInt16LE(options.xloadFlags ?? 1, 0x236);
  setup.writeUInt32LE(options.commandLineSize ?? 2047, 0x238);
  setup.writeBigUInt64LE(BigInt(options.prefAddress ?? 0x1000000), 0x258);
  setup.writeUInt32LE(options.initSize ?? 0x400000, 0x260);
  return Buffer.concat([setup, kernel]);
}
