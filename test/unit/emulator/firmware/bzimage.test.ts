import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { EmulatorError } from '../../../../emulator/errors';
import { loadBzImage } from '../../../../emulator/firmware/bzimage';
import { MEGABYTE, type LoadPlan } from '../../../../emulator/firmware/plan';
import { buildBzImage } from './builders';

const options = { memorySize: 64 * MEGABYTE };
const named = (bytes: Uint8Array) => ({ name: 'vmlinuz', bytes });
const part = (plan: LoadPlan, what: string) => {
  const found = plan.segments.find((s) => s.what === what);
  assert.ok(found, `no ${what}`);
  return found;
};
const view = (plan: LoadPlan, what: string) => {
  const { bytes } = part(plan, what);
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
};
const fails = (code: string, pattern: RegExp, work: () => unknown) =>
  assert.throws(work, (error) => {
    assert.ok(error instanceof EmulatorError);
    assert.equal(error.blame, 'user');
    assert.equal(error.code, code);
    assert.match(error.message, pattern);
    return true;
  });

describe('Linux bzImage', () => {
  it('enters at +0x200 in long mode with RSI at boot_params', () => {
    const plan = loadBzImage(named(buildBzImage()), options);
    assert.equal(part(plan, 'kernel').address, 0x1000000);
    assert.equal(part(plan, 'kernel').bytes.length, 0x1000);
    assert.equal(part(plan, 'kernel').memorySize, 0x400000);
    const { entry } = plan;
    assert.equal(entry.mode, 'long');
    assert.equal(entry.registers.rip, 0x1000200n);
    assert.equal(entry.registers.rsi, BigInt(part(plan, 'boot_params').address));
    assert.equal(entry.cr0, 0x80000011);
    assert.equal(entry.cr4, 0x20);
    assert.equal(entry.efer, 0x500);
    assert.equal(entry.segments.cs.selector, 0x10);
    assert.equal(entry.segments.ds.selector, 0x18);
  });

  it('gives descriptors that say the same as the segment registers', () => {
    const plan = loadBzImage(named(buildBzImage()), options);
    const gdt = view(plan, 'GDT');
    assert.equal(gdt.getBigUint64(0x10, true), 0x00af9b000000ffffn); // 64-bit code
    assert.equal(gdt.getBigUint64(0x18, true), 0x00cf93000000ffffn); // data
    assert.equal(gdt.getBigUint64(0x20, true), 0x00008b0000000067n); // busy TSS
  });

  it('maps the first 4 GB onto themselves', () => {
    const plan = loadBzImage(named(buildBzImage()), options);
    const tables = view(plan, 'page tables');
    const base = part(plan, 'page tables').address;
    assert.equal(plan.entry.cr3, base);
    for (const address of [0, 0x7fff, 0x1000200, 0xbfffffff, 0xfee00020, 0xffffffff]) {
      const table = (at: number) => Number(tables.getBigUint64(at - base, true));
      const pointers = table(base) & ~0xfff;
      const directory = table(pointers + 8 * Math.floor(address / 2 ** 30)) & ~0xfff;
      const entry = tables.getBigUint64(directory - base + 8 * (Math.floor(address / 2 ** 21) % 512), true);
      assert.equal(entry & 0x83n, 0x83n);
      assert.equal(Number(entry & ~0x1fffffn), address - (address % 2 ** 21));
    }
  });

  it('fills boot_params: command line, initrd, memory map, RSDP', () => {
    const plan = loadBzImage(named(buildBzImage()), {
      ...options,
      commandLine: 'console=ttyS0',
      initrd: { name: 'initrd', bytes: new Uint8Array(5000) },
      rsdp: { address: 0xf0000, bytes: new Uint8Array(36) },
    });
    const params = view(plan, 'boot_params');
    assert.equal(params.getUint32(0x202, true), 0x53726448);
    assert.equal(params.getUint8(0x210), 0xff);
    assert.equal(params.getUint32(0x228, true), part(plan, 'command line').address);
    assert.deepEqual([...part(plan, 'command line').bytes], [...Buffer.from('console=ttyS0\0')]);
    const initrd = part(plan, 'initrd');
    assert.equal(params.getUint32(0x218, true), initrd.address);
    assert.equal(params.getUint32(0x21c, true), 5000);
    assert.equal(initrd.address, 64 * MEGABYTE - 8192);
    assert.equal(params.getBigUint64(0x70, true), 0xf0000n);

    const entries = Array.from({ length: params.getUint8(0x1e8) }, (_, index) => ({
      from: Number(params.getBigUint64(0x2d0 + 20 * index, true)),
      length: Number(params.getBigUint64(0x2d8 + 20 * index, true)),
      type: params.getUint32(0x2e0 + 20 * index, true),
    }));
    assert.deepEqual(entries.slice(0, 4), [
      { from: 0, length: 0x9fc00, type: 1 },
      { from: 0x9fc00, length: 0x400, type: 2 },
      { from: 0xe0000, length: 0x20000, type: 2 },
      { from: MEGABYTE, length: 63 * MEGABYTE, type: 1 },
    ]);
  });

  it('describes a linear framebuffer, or VGA text', () => {
    const text = view(loadBzImage(named(buildBzImage()), options), 'boot_params');
    assert.deepEqual([text.getUint8(0x07), text.getUint8(0x0e), text.getUint8(0x0f)], [80, 25, 1]);
    const framebuffer = {
      address: 0xc1000000,
      width: 1024,
      height: 768,
      bitsPerPixel: 32,
      pitch: 4096,
    } as const;
    const screen = view(loadBzImage(named(buildBzImage()), { ...options, framebuffer }), 'boot_params');
    assert.equal(screen.getUint8(0x0f), 0x70);
    assert.equal(screen.getUint32(0x18, true), 0xc1000000);
    assert.equal(screen.getUint32(0x1c, true), 4096 * 768);
    assert.equal(screen.getUint16(0x24, true), 4096);
    assert.deepEqual(
      [...Array(8).keys()].map((i) => screen.getUint8(0x26 + i)),
      [8, 16, 8, 8, 8, 0, 8, 24],
    );
  });

  it('keeps the initrd below initrd_addr_max', () => {
    const plan = loadBzImage(named(buildBzImage({ initrdAddrMax: 0x1ffffff })), {
      ...options,
      initrd: { name: 'initrd', bytes: new Uint8Array(4096) },
    });
    assert.equal(part(plan, 'initrd').address, 0x1fff000);
  });

  it('enters by the 32-bit protocol when asked to, or when there is no other', () => {
    for (const plan of [loadBzImage(named(buildBzImage()), { ...options, protocol: 32 }), loadBzImage(named(buildBzImage({ xloadFlags: 0 })), options)]) {
      assert.equal(plan.entry.mode, 'protected');
      assert.equal(plan.entry.registers.rip, 0x1000000n);
      assert.equal(plan.entry.cr0, 0x11);
      assert.equal(plan.entry.efer, 0);
      assert.equal(plan.entry.segments.cs.attributes, 0xc09b);
    }
  });

  it('names what is wrong with a file', () => {
    const good = buildBzImage();
    fails('kernel-format', /vmlinuz: .*HdrS/, () => loadBzImage(named(Buffer.alloc(4096)), options));
    fails('image-truncated', /vmlinuz: truncated: kernel .* at 0x400/, () => loadBzImage(named(good.subarray(0, 0x800)), options));
    fails('image-truncated', /vmlinuz: truncated/, () => loadBzImage(named(good.subarray(0, 0x100)), options));
    fails('memory-too-small', /needs 20 MB .* has 16 MB/, () => loadBzImage(named(good), { memorySize: 16 * MEGABYTE }));
    fails('command-line-too-long', /11 bytes, this kernel takes 10/, () =>
      loadBzImage(named(buildBzImage({ commandLineSize: 10 })), { ...options, commandLine: 'x'.repeat(11) }),
    );
    fails('memory-too-small', /huge\.gz: the initrd of 50000000 bytes/, () =>
      loadBzImage(named(good), { ...options, initrd: { name: 'huge.gz', bytes: new Uint8Array(5e7) } }),
    );
    fails('kernel-format', /no 64-bit entry/, () => loadBzImage(named(buildBzImage({ xloadFlags: 0 })), { ...options, protocol: 64 }));
    fails('image-modules', /takes an initrd, no modules \(m\)/, () =>
      loadBzImage(named(good), { ...options, modules: [{ name: 'm', bytes: new Uint8Array(1) }] }),
    );
  });

  it('never leaves by anything but a typed error, whatever the header says', () => {
    const good = buildBzImage();
    for (let at = 0x1f1; at < 0x268; at++) {
      for (const value of [0, 1, 0x7f, 0x80, 0xff]) {
        const bytes = Buffer.from(good);
        bytes[at] = value;
        try {
          loadBzImage(named(bytes), { ...options, initrd: { name: 'i', bytes: new Uint8Array(10) } });
        } catch (error) {
          assert.ok(error instanceof EmulatorError && error.blame === 'user', String(error));
        }
      }
    }
  });

  for (const guest of ['linux-cloud', 'linux-generic']) {
    it(`loads Debian's ${guest} kernel`, function () {
      const path = `.cache/guests/${guest}/vmlinuz`;
      if (!existsSync(path)) this.skip();
      const plan = loadBzImage({ name: path, bytes: readFileSync(path) }, { memorySize: 512 * MEGABYTE });
      assert.equal(plan.entry.registers.rip, 0x1000200n);
      assert.equal(part(plan, 'kernel').address, 0x1000000);
    });
  }
});
