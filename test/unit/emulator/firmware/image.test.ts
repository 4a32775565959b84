import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { EmulatorError } from '../../../../emulator/errors';
import { memoryMap } from '../../../../emulator/firmware/e820';
import { detectFormat, loadImage } from '../../../../emulator/firmware/image';
import { MEGABYTE, type LoadPlan } from '../../../../emulator/firmware/plan';
import { buildBzImage, buildElf, note } from './builders';

const memorySize = 32 * MEGABYTE;
const file = (bytes: Uint8Array, name = 'kernel') => ({ name, bytes });
const words = (...values: number[]) => {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, index) => bytes.writeUInt32LE(value >>> 0, 4 * index));
  return bytes;
};
const segmentAt = (plan: LoadPlan, what: string) => {
  const found = plan.segments.find((s) => s.what === what);
  assert.ok(found, `no ${what} among ${plan.segments.map((s) => s.what).join(', ')}`);
  return found;
};
const rejects = (code: string, pattern: RegExp, work: () => unknown) =>
  assert.throws(work, (error) => {
    assert.ok(error instanceof EmulatorError, String(error));
    assert.equal(error.blame, 'user');
    assert.match(error.message, pattern);
    assert.equal(error.code, code);
    return true;
  });
/** Reads guest memory out of the plan's segments. */
const memoryOf = (plan: LoadPlan) => {
  const find = (address: number) => {
    const s = plan.segments.find((one) => address >= one.address && address < one.address + one.bytes.length);
    assert.ok(s, `nothing at 0x${address.toString(16)}`);
    return {
      bytes: Buffer.from(s.bytes.buffer, s.bytes.byteOffset, s.bytes.length),
      at: address - s.address,
    };
  };
  return {
    u32: (address: number) => (({ bytes, at }) => bytes.readUInt32LE(at))(find(address)),
    u64: (address: number) => (({ bytes, at }) => Number(bytes.readBigUInt64LE(at)))(find(address)),
    text: (address: number) => (({ bytes, at }) => bytes.toString('latin1', at, bytes.indexOf(0, at)))(find(address)),
  };
};

const MB1 = 0x1badb002;
const multiboot1 = (flags: number, ...rest: number[]) => words(MB1, flags, -(MB1 + flags), ...rest);
const MB2 = 0xe85250d6;
const multiboot2 = (...tags: number[]) => {
  const length = 16 + 4 * tags.length;
  return words(MB2, 0, length, -(MB2 + length), ...tags);
};
const elfWith = (bytes: Uint8Array, bits: 32 | 64 = 32) =>
  buildElf({
    bits,
    entry: 0x100000,
    segments: [{ virtual: 0x100000, physical: 0x100000, bytes, memorySize: 0x3000 }],
  });
const moduleOf = (name: string, text: string) => ({ name, bytes: Buffer.from(text), commandLine: 'a b' });

describe('kernel images', () => {
  it('are told apart', () => {
    assert.equal(detectFormat(file(buildBzImage())), 'linux');
    assert.equal(detectFormat(file(elfWith(multiboot1(3)))), 'multiboot');
    assert.equal(detectFormat(file(elfWith(new Uint8Array(64)))), 'elf');
    const pvh = buildElf({
      bits: 64,
      entry: 0x100000,
      segments: [
        { virtual: 0x100000, physical: 0x100000, bytes: new Uint8Array(16) },
        { type: 4, virtual: 0, physical: 0, bytes: note('Xen', 18, words(0x100004)) },
      ],
    });
    assert.equal(detectFormat(file(pvh)), 'pvh');
    const aligned = Buffer.concat([multiboot2(0, 8), new Uint8Array(64)]);
    assert.equal(detectFormat(file(aligned)), 'multiboot2');
  });

  it('that are something else get a word on what they are', () => {
    rejects('kernel-format', /x: a gzip file: unpack it first/, () => detectFormat(file(Buffer.from([0x1f, 0x8b, 8]), 'x')));
    rejects('kernel-format', /x: an EFI program/, () => detectFormat(file(Buffer.from('MZ..'), 'x')));
    rejects('kernel-format', /x: the file is empty/, () => detectFormat(file(new Uint8Array(0), 'x')));
    rejects('kernel-format', /x: neither a Linux bzImage/, () => detectFormat(file(Buffer.alloc(600, 1), 'x')));
    rejects('memory-size', /8388608 bytes/, () => loadImage(file(buildBzImage()), { memorySize: 8 * MEGABYTE }));
  });

  it('load by Multiboot 1 with modules, map and command line', () => {
    const image = elfWith(Buffer.concat([multiboot1(3), Buffer.alloc(100)]));
    const plan = loadImage(file(image), {
      memorySize,
      commandLine: 'debug=1',
      initrd: { name: 'dir/initrd', bytes: Buffer.from('INITRD') },
      modules: [moduleOf('dir/mod', 'MODULE')],
    });
    assert.equal(plan.format, 'multiboot');
    const { entry } = plan;
    assert.equal(entry.mode, 'protected');
    assert.equal(entry.registers.rax, 0x2badb002n);
    assert.equal(entry.registers.rip, 0x100000n);
    const info = Number(entry.registers.rbx);
    const { u32, u64, text } = memoryOf(plan);
    assert.equal(u32(info), 0x124d);
    assert.equal(u32(info + 4), 639);
    assert.equal(u32(info + 8), 31 * 1024);
    assert.equal(text(u32(info + 16)), 'debug=1');
    assert.equal(u32(info + 20), 2);
    const list = u32(info + 24);
    assert.equal(u32(list), 0x103000); // after bss, page-aligned
    assert.equal(u32(list + 4), 0x103006);
    assert.equal(text(u32(list + 8)), 'initrd');
    assert.equal(u32(list + 16), 0x104000);
    assert.equal(text(u32(list + 24)), 'mod a b');
    const map = u32(info + 48);
    assert.equal(u32(map), 20);
    assert.equal(u64(map + 4), 0);
    assert.equal(u64(map + 12), 0x9fc00);
    assert.equal(u32(info + 44), 24 * memoryMap(memorySize).length);
  });

  it('load by Multiboot 1 from the addresses in the header', () => {
    const header = multiboot1(0x10003, 0x200010, 0x200000, 0x200040, 0x201000, 0x200030);
    const image = Buffer.concat([Buffer.alloc(16, 0xcc), header, Buffer.alloc(64, 0x90)]);
    const plan = loadImage(file(image), { memorySize });
    const kernel = segmentAt(plan, 'kernel');
    assert.deepEqual([kernel.address, kernel.bytes.length, kernel.memorySize], [0x200000, 0x40, 0x1000]);
    assert.equal(kernel.bytes[0], 0xcc);
    assert.equal(plan.entry.registers.rip, 0x200030n);
    const bad = Buffer.concat([multiboot1(0x10003, 0x1000, 0x200000, 0, 0, 0), Buffer.alloc(64)]);
    rejects('kernel-format', /contradict/, () => loadImage(file(bad), { memorySize }));
    rejects('kernel-format', /unknown features 0x8000/, () => loadImage(file(multiboot1(0x8003)), { memorySize }));
  });

  it('load by Multiboot 2 with tags', () => {
    const framebuffer = {
      address: 0xc1000000,
      width: 800,
      height: 600,
      bitsPerPixel: 32,
      pitch: 3200,
    } as const;
    const rsdp = { address: 0xf0000, bytes: Buffer.from('RSD PTR '.padEnd(36, '.')) };
    const image = elfWith(Buffer.concat([multiboot2(5 | (1 << 16), 20, 0, 0, 0, 0, 0, 8), Buffer.alloc(100)]), 64);
    const plan = loadImage(file(image), {
      memorySize,
      commandLine: 'x',
      modules: [moduleOf('m', 'M')],
      framebuffer,
      rsdp,
    });
    assert.equal(plan.format, 'multiboot2');
    assert.equal(plan.entry.registers.rax, 0x36d76289n);
    const info = Number(plan.entry.registers.rbx);
    const { u32, u64, text } = memoryOf(plan);
    const tags = new Map<number, number>();
    let at = info + 8;
    for (; u32(at) !== 0; at += Math.ceil(u32(at + 4) / 8) * 8) tags.set(u32(at), at);
    assert.equal(u32(info), at + 8 - info);
    const tag = (type: number) => tags.get(type) ?? assert.fail(`no tag ${type}`);
    assert.equal(text(tag(1) + 8), 'x');
    assert.equal(u32(tag(3) + 8), 0x103000);
    assert.equal(text(tag(3) + 16), 'm a b');
    assert.equal(u32(tag(6) + 8), 24);
    assert.equal(u64(tag(8) + 8), 0xc1000000);
    assert.equal(u32(tag(8) + 16), 3200);
    assert.equal(text(tag(14) + 8).slice(0, 8), 'RSD PTR ');
    assert.equal(u32(tag(15) + 4), 8 + 36);
    assert.equal(u32(tag(21) + 8), 0x100000);
  });

  it('are refused when a Multiboot 2 header asks for what is not there', () => {
    const asks =
      (...tags: number[]) =>
      () =>
        loadImage(file(elfWith(Buffer.concat([multiboot2(...tags), Buffer.alloc(64)]), 64)), { memorySize });
    rejects('kernel-format', /requires information 12/, asks(1, 12, 12, 0, 0, 8));
    rejects('kernel-format', /requires EFI boot services/, asks(7, 8, 0, 8));
    rejects('kernel-format', /requires unknown feature 99/, asks(99, 8, 0, 8));
    rejects('kernel-format', /has no end tag/, asks(4 | (1 << 16), 12, 0, 0));
  });

  it('load by PVH', () => {
    const image = buildElf({
      bits: 64,
      entry: 0x100000,
      segments: [
        { virtual: 0xffffffff80100000, physical: 0x100000, bytes: new Uint8Array(16) },
        { type: 4, virtual: 0, physical: 0, bytes: note('Xen', 18, words(0x100004, 0)) },
      ],
      symbols: [{ name: 'pvh_start', value: 0x100004 }],
    });
    const rsdp = { address: 0xf0000, bytes: new Uint8Array(36) };
    const plan = loadImage(file(image), {
      memorySize,
      commandLine: 'root=x',
      modules: [moduleOf('m', 'MOD')],
      rsdp,
    });
    assert.equal(plan.entry.registers.rip, 0x100004n);
    const info = Number(plan.entry.registers.rbx);
    const { u32, u64, text } = memoryOf(plan);
    assert.equal(u32(info), 0x336ec578);
    assert.equal(u32(info + 4), 1);
    assert.equal(u32(info + 12), 1);
    assert.equal(u64(u64(info + 16)), 0x101000);
    assert.equal(u64(u64(info + 16) + 8), 3);
    assert.equal(text(u64(info + 24)), 'root=x');
    assert.equal(u64(info + 32), 0xf0000);
    const map = u64(info + 40);
    assert.equal(u32(info + 48), memoryMap(memorySize).length);
    assert.deepEqual([u64(map), u64(map + 8), u32(map + 16)], [0, 0x9fc00, 1]);
    assert.equal(plan.symbols?.[0]?.name, 'pvh_start');
  });

  it('load flat in each mode', () => {
    const flat = (address: number, mode: 'real16' | 'protected32' | 'long64', size = 512) =>
      loadImage(file(new Uint8Array(size)), { memorySize, flat: { address, mode } });
    const sector = flat(0x7c00, 'real16').entry;
    assert.equal(sector.mode, 'real');
    assert.equal(sector.segments.cs.base, 0);
    assert.equal(sector.registers.rip, 0x7c00n);
    assert.equal(sector.registers.rdx, 0x80n);
    assert.equal(sector.cr0 & 1, 0);
    const high = flat(0x20000, 'real16').entry;
    assert.equal(high.segments.cs.selector, 0x2000);
    assert.equal(high.segments.cs.base, 0x20000);
    assert.equal(high.registers.rip, 0n);
    assert.equal(flat(0x100000, 'protected32').entry.segments.cs.attributes, 0xc09b);
    assert.equal(flat(0x100000, 'long64').entry.segments.cs.attributes, 0xa09b);
    rejects('kernel-format', /above 1 MB/, () => flat(0x100000, 'real16'));
    rejects('image-overlap', /page tables at 0x1000–0x6fff overlaps image at/, () => flat(0x1000, 'long64'));
    rejects('image-overlap', /area of video memory/, () => flat(0x9fb00, 'real16'));
    rejects('image-memory', /has 32 MB/, () => flat(memorySize - 256, 'long64'));
  });

  it('whose segments overlap or lie beyond memory are refused by name', () => {
    const twice = (first: number, second: number) =>
      buildElf({
        bits: 32,
        entry: first,
        segments: [first, second].map((physical) => ({
          virtual: physical,
          physical,
          bytes: new Uint8Array(32),
        })),
      });
    const load = (bytes: Uint8Array) => () => loadImage(file(bytes, 'k'), { memorySize });
    rejects('image-overlap', /k: segment 1 .* at 0x100010–0x10002f overlaps segment 0/, load(twice(0x100000, 0x100010)));
    rejects('image-memory', /k: segment 1 .*0x8000000/, load(twice(0x100000, 0x8000000)));
    const linked = [
      { type: 3, virtual: 0x1f0, physical: 0x1f0, bytes: Buffer.from('/lib/ld.so\0') },
      { virtual: 0, physical: 0, bytes: new Uint8Array(32) },
    ];
    rejects('elf-format', /k: a program for an operating system/, load(buildElf({ bits: 64, entry: 0, segments: linked })));
  });

  it("load Debian's vmlinux by PVH and memtest86+ by the Linux protocol", function () {
    const guests = '.cache/guests';
    if (!existsSync(`${guests}/linux-cloud/vmlinux`) || !existsSync(`${guests}/memtest/packages.txt`)) this.skip();
    const load = (path: string) => loadImage(file(readFileSync(`${guests}/${path}`), path), { memorySize: 128 * MEGABYTE });
    const vmlinux = load('linux-cloud/vmlinux');
    assert.equal(vmlinux.format, 'pvh');
    assert.ok(vmlinux.entry.registers.rip > 0x1000000n);
    const memtest = load('memtest/memtest86+x64.bin');
    assert.equal(memtest.entry.registers.rip, 0x100200n);
    const memtest32 = load('memtest/memtest86+ia32.bin');
    assert.equal(memtest32.entry.mode, 'protected');
    assert.equal(memtest32.entry.registers.rip, 0x100000n);
  });
});

describe('memory map', () => {
  it('is sorted, free of overlaps, and sums up to the memory', () => {
    for (const megabytes of [16, 17, 512, 3072]) {
      const map = memoryMap(megabytes * MEGABYTE, [{ address: 0xe0000000, length: 0x10000000 }]);
      let end = 0;
      for (const range of map) {
        assert.ok(range.address >= end);
        assert.ok(range.length > 0);
        end = range.address + range.length;
      }
      const usable = map.filter(({ type }) => type === 1).reduce((sum, { length }) => sum + length, 0);
      assert.equal(usable, megabytes * MEGABYTE - (0x100000 - 0x9fc00));
      assert.ok(end <= 2 ** 32);
    }
  });
});
