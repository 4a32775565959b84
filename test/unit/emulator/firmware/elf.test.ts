import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { deflateSync } from 'node:zlib';
import { EmulatorError } from '../../../../emulator/errors';
import { ElfFile, SHF } from '../../../../emulator/firmware/elf';
import { elfSegments, physicalEntry } from '../../../../emulator/firmware/elfimage';
import { buildElf, note } from './builders';

const code = Uint8Array.of(1, 2, 3, 4);
const virtual = 0xc0100000;
const sample = (bits: 32 | 64) =>
  buildElf({
    bits,
    entry: virtual + 2,
    segments: [
      { virtual, physical: 0x100000, bytes: code, memorySize: 0x2000 },
      {
        type: 4,
        virtual: 0,
        physical: 0,
        bytes: Buffer.concat([note('GNU', 3, code), note('Xen', 18, code)]),
      },
    ],
    symbols: [
      { name: 'start', value: virtual },
      { name: 'main', value: virtual + 2 },
    ],
  });

describe('ELF', () => {
  for (const bits of [32, 64] as const) {
    it(`reads headers, symbols and notes of ELF${bits}`, () => {
      const elf = new ElfFile('a.elf', sample(bits));
      assert.equal(elf.bits, bits);
      assert.equal(elf.entry, BigInt(virtual + 2));
      assert.deepEqual(
        elf.sections.map(({ name }) => name),
        ['', '.symtab', '.strtab', '.shstrtab'],
      );
      assert.deepEqual(
        elf.symbols().map(({ name, address, type, binding }) => ({ name, address, type, binding })),
        [
          { name: 'start', address: BigInt(virtual), type: 'function', binding: 'global' },
          { name: 'main', address: BigInt(virtual + 2), type: 'function', binding: 'global' },
        ],
      );
      assert.deepEqual(
        elf.notes().map(({ owner, type, description }) => [owner, type, [...description]]),
        [
          ['GNU', 3, [1, 2, 3, 4]],
          ['Xen', 18, [1, 2, 3, 4]],
        ],
      );
    });

    it(`loads ELF${bits} segments at physical addresses and finds the entry there`, () => {
      const elf = new ElfFile('a.elf', sample(bits));
      const [only, ...others] = elfSegments(elf);
      assert.equal(others.length, 0);
      assert.equal(only?.address, 0x100000);
      assert.equal(only.memorySize, 0x2000);
      assert.deepEqual([...only.bytes], [...code]);
      assert.equal(physicalEntry(elf), 0x100002);
    });

    it(`answers any damage of ELF${bits} by a typed error or not at all`, () => {
      const good = sample(bits);
      for (let at = 0; at < good.length; at++) {
        for (const value of [0, 0x7f, 0xff]) {
          const bytes = Buffer.from(good);
          bytes[at] = value;
          tryAll(bytes);
        }
        tryAll(good.subarray(0, at));
      }
    });
  }

  it('names file, place and reason', () => {
    const rejects = (bytes: Uint8Array, pattern: RegExp) =>
      assert.throws(
        () => elfSegments(new ElfFile('k.elf', bytes)),
        (error) => error instanceof EmulatorError && error.blame === 'user' && pattern.test(error.message),
      );
    rejects(Buffer.from('hello'), /k\.elf: no ELF file/);
    rejects(sample(64).subarray(0, 40), /k\.elf: truncated: ELF header/);
    const arm = sample(64);
    arm.writeUInt16LE(183, 18);
    rejects(arm, /k\.elf: an ELF file for another processor \(e_machine 183\)/);
    const big = sample(32);
    big[5] = 2;
    rejects(big, /big-endian/);
    const long = sample(64);
    long.writeBigUInt64LE(0xffffffffffffn, 64 + 32); // p_filesz of the first segment
    rejects(long, /k\.elf: segment 0 .* bytes in the file for 8192 in memory/);
    rejects(buildElf({ bits: 64, entry: 0, segments: [] }), /nothing to load/);
  });

  it('inflates compressed sections', () => {
    const content = Buffer.from('debug information '.repeat(50));
    const header = Buffer.alloc(24);
    header.writeUInt32LE(1, 0);
    header.writeBigUInt64LE(BigInt(content.length), 8);
    const packed = Buffer.concat([header, deflateSync(content)]);
    const file = buildElf({ bits: 64, entry: 0, segments: [{ virtual: 0, physical: 0, bytes: packed }] });
    const elf = new ElfFile('a.elf', file);
    const at = elf.programHeaders[0]?.offset ?? 0;
    const section = {
      ...elf.sections[1]!,
      name: '.debug',
      offset: at,
      size: packed.length,
      flags: SHF.compressed,
    };
    assert.deepEqual(Buffer.from(elf.data(section)), content);
    header.writeBigUInt64LE(10n, 8);
    file.set(header, at);
    assert.throws(() => elf.data(section), EmulatorError);
  });

  it("reads Debian's vmlinux", function () {
    const path = '.cache/guests/linux-cloud/vmlinux';
    if (!existsSync(path)) this.skip();
    const elf = new ElfFile(path, readFileSync(path));
    assert.equal(physicalEntry(elf), 0x1000000);
    assert.ok(elf.section('.init.text'));
    assert.ok(elf.notes().some(({ owner, type }) => owner === 'Xen' && type === 18));
  });
});

function tryAll(bytes: Uint8Array): void {
  try {
    const elf = new ElfFile('damaged', bytes);
    elf.symbols();
    elf.notes();
    elfSegments(elf);
    physicalEntry(elf);
  } catch (error) {
    assert.ok(error instanceof EmulatorError && error.blame === 'user', String(error));
  }
}
