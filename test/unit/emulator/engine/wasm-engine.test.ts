import assert from 'node:assert/strict';
import { Exit, type Watch } from '../../../../emulator/engine/engine';
import * as layout from '../../../../emulator/x86/layout';
import { ACTIVE } from '../../../../emulator/x86/vcpu';
import { bareEngine, CODE, DATA } from './bare';

const watch = (access: Watch['access'], address = DATA, length = 4, space: Watch['space'] = 'linear'): Watch => ({
  space,
  access,
  address: BigInt(address),
  length,
});

describe('WasmEngine', () => {
  // L: inc rax; mov [rdi], eax; mov ebx, [rdi]; jmp L
  const loop = '48 ff c0  89 07  8b 1f  eb f7';

  it('stops after exactly as many instructions as were asked for', async () => {
    for (const count of [1, 2, 3, 4, 5, 47, 48, 49, 1000, 4_194_305]) {
      const engine = await bareEngine(loop);
      engine.vcpu.setGpr(7, BigInt(DATA));
      assert.equal(engine.run(count), Exit.Budget);
      assert.equal(engine.count(), count);
      assert.equal(engine.vcpu.gpr(0), BigInt(Math.ceil(count / 4)));
      assert.equal(engine.vcpu.rip, BigInt(CODE + [0, 3, 5, 7][count % 4]!));
    }
  });

  it('stops before a breakpoint, and goes on past it', async () => {
    const engine = await bareEngine(loop);
    engine.vcpu.setGpr(7, BigInt(DATA));
    engine.setBreakpoints([BigInt(CODE + 5)]);
    for (let hit = 0; hit < 3; hit++) {
      assert.equal(engine.run(1000), Exit.Breakpoint);
      assert.equal(engine.vcpu.rip, BigInt(CODE + 5));
      assert.equal(engine.count(), 2 + 4 * hit);
    }
    engine.setBreakpoints([]);
    assert.equal(engine.run(1000), Exit.Budget);
  });

  it('misses no breakpoint where slices end or instructions are run alone', async () => {
    const engine = await bareEngine(loop);
    engine.vcpu.setGpr(7, BigInt(DATA));
    engine.setBreakpoints([BigInt(CODE + 5)]);
    let hits = 0;
    for (let slice = 1; engine.count() < 400; slice = (slice % 7) + 1) {
      const { vcpu } = engine;
      if (slice === 3) vcpu.systemFlags |= 1n << 16n; // RF is the guest's, the debugger's marks stand
      if (engine.run(Math.min(slice, 400 - engine.count())) !== Exit.Breakpoint) continue;
      assert.equal(engine.count(), 2 + 4 * hits++);
    }
    assert.equal(hits, 100);
  });

  for (const tier of ['generic', 'region'] as const)
    it(`moves breakpoints in code that has run, tier ${tier}`, async () => {
      const engine = await bareEngine(loop, {}, tier);
      engine.vcpu.setGpr(7, BigInt(DATA));
      engine.run(4000);
      for (const at of [5, 0, 7, 3, 5]) {
        engine.setBreakpoints([BigInt(CODE + at)]);
        for (let hit = 0; hit < 3; hit++) {
          assert.equal(engine.run(1000), Exit.Breakpoint);
          assert.equal(engine.vcpu.rip, BigInt(CODE + at));
          assert.equal(engine.count() % 4, [0, 3, 5, 7].indexOf(at));
        }
      }
      engine.setBreakpoints([]);
      assert.equal(engine.run(4000), Exit.Budget);
    });

  it('moves breakpoints to instructions that cross into another page', async () => {
    const engine = await bareEngine('90');
    // nop; nop; inc rax over the page's end; jmp back
    engine.physicalWrite(CODE + 0xffc, Buffer.from('909048ffc0ebf9', 'hex'));
    engine.vcpu.rip = BigInt(CODE + 0xffc);
    engine.run(400);
    for (const [at, nth] of [
      [0xffe, 2],
      [0xffd, 1],
      [0xffc, 0],
      [0x1001, 3],
    ] as const) {
      // prettier-ignore
      engine.setBreakpoints([BigInt(CODE + at)]);
      assert.equal(engine.run(100), Exit.Breakpoint);
      assert.equal(engine.vcpu.rip, BigInt(CODE + at));
      assert.equal(engine.count() % 4, nth);
    }
  });

  it('keeps what pages were that it was asked for', async () => {
    const engine = await bareEngine(loop);
    const host = (address: number): number => (layout.RAM + address) >>> 12;
    let told: [page: number, first: number | null][] = [];
    engine.onKept(({ pages, contents }) => {
      let at = 0;
      for (const each of pages) told.push([each & ~layout.KEPT_ZERO, each & layout.KEPT_ZERO ? null : contents[4096 * at++ + 1]!]);
    });
    const ask = (): void => engine.keep([DATA, DATA + 0x5000, DATA + 0x9000].map(host));
    engine.writtenPages(1, 'take');
    ask();
    engine.vcpu.setGpr(7, BigInt(DATA));
    engine.run(4000);
    assert.deepEqual(told, [], 'not yet');
    assert.ok(engine.writtenPages(1, 'take').length > 1, 'others have changed, too');
    assert.deepEqual(told, [[host(DATA), null]]);
    told = [];
    engine.run(4000);
    engine.physicalWrite(DATA + 1, Uint8Array.of(1));
    engine.tellKept();
    assert.deepEqual(told, [], 'once');
    engine.writtenPages(1, 'take');
    ask();
    engine.physicalWrite(DATA + 1, Uint8Array.of(2));
    engine.physicalWrite(DATA + 0x5fff, Uint8Array.of(1, 2));
    engine.tellKept();
    assert.deepEqual(told, [[host(DATA), 1], [host(DATA + 0x5000), null]]); // prettier-ignore
    told = [];
    assert.ok(engine.writtenPages(1, 'keep').includes(host(DATA)));
    engine.physicalWrite(DATA + 1, Uint8Array.of(3));
    engine.tellKept();
    assert.deepEqual(told, [[host(DATA), 2]], 'as a reader has asked that takes it');
  });

  it('keeps more pages than there is room for', async () => {
    const engine = await bareEngine(loop);
    const own = (page: number): number => (layout.RAM >>> 12) + 1024 + page;
    const write = (page: number, value: number): void => engine.physicalWrite((1024 + page) * 4096 + 4095, Uint8Array.of(value));
    const pages = Array.from({ length: 200 }, (_, page) => page);
    for (const page of pages) write(page, page % 3);
    engine.writtenPages(1, 'take');
    const told: [page: number, last: number | null][] = [];
    engine.onKept((kept) => {
      let at = 0;
      for (const each of kept.pages) told.push([each & ~layout.KEPT_ZERO, each & layout.KEPT_ZERO ? null : kept.contents[4096 * ++at - 1]!]);
    });
    engine.keep(pages.map(own));
    for (const page of pages) write(page, 77);
    assert.equal(told.length, 192, 'those of which there was no room left');
    engine.tellKept();
    assert.deepEqual(told, pages.map((page) => [own(page), page % 3 || null])); // prettier-ignore
  });

  it('lists written pages, however many, and those of a range', async () => {
    const engine = await bareEngine(loop);
    const first = layout.RAM >>> 12;
    engine.writtenPages(1, 'take');
    const wanted = Array.from({ length: 6000 }, (_, i) => first + 256 + i + (i >> 2));
    for (const page of wanted) engine.physicalWrite((page - first) * 0x1000 + 5, Uint8Array.of(1));
    assert.deepEqual([...engine.writtenPages(1, 'list')], wanted);
    const [from, to] = [wanted[10]! + 1, wanted[5000]! - 1];
    assert.deepEqual([...engine.writtenPages(1, 'list', from, to)], wanted.slice(11, 5000));
    engine.writtenPages(1, 'take', from, to);
    assert.deepEqual([...engine.writtenPages(1, 'list')], [...wanted.slice(0, 11), ...wanted.slice(5000)]);
    engine.writtenPages(1, 'take');
    assert.equal(engine.writtenPages(1, 'list').length, 0);
  });

  it('decodes again what was undefined because of its bytes in the next page', async () => {
    const engine = await bareEngine('90');
    engine.physicalWrite(CODE + 0xfff, Buffer.from('0f04ebfe', 'hex')); // 0F 04 is nothing
    engine.vcpu.rip = BigInt(CODE + 0xfff);
    assert.equal(engine.run(10), Exit.Shutdown); // #UD, and no IDT
    engine.physicalWrite(CODE + 0x1000, Buffer.from('a2', 'hex')); // CPUID
    engine.vcpu.setU32(layout.ACTIVITY, ACTIVE);
    engine.vcpu.rip = BigInt(CODE + 0xfff);
    assert.equal(engine.run(10), Exit.Budget);
    assert.equal(engine.vcpu.rip, BigInt(CODE + 0x1001));
  });

  it('keeps decoded code that a change of breakpoints does not concern', async () => {
    const engine = await bareEngine('e9 0b 10 00 00'); // jmp to 0x10 in the next page
    engine.physicalWrite(CODE + 0x1010, Buffer.from('ebfe', 'hex'));
    engine.run(100);
    const blocksAt = (offset: number): number => engine.view.getUint32(layout.CODE_HEAD + ((layout.RAM + CODE + offset) >>> 12) * 4, true);
    const kept = blocksAt(0x1000);
    assert.notEqual(kept, 0);
    engine.setBreakpoints([BigInt(CODE)]);
    assert.deepEqual([blocksAt(0), blocksAt(0x1000)], [0, kept]);
  });

  for (const space of ['linear', 'physical'] as const)
    it(`stops after a watched access, by ${space} address`, async () => {
      const engine = await bareEngine(loop);
      engine.vcpu.setGpr(7, BigInt(DATA - 2));
      engine.run(4); // the page is in the TLB
      engine.setWatches([watch('write', DATA, 1, space)]);
      assert.equal(engine.run(1000), Exit.Watchpoint);
      assert.equal(engine.count(), 4 + 2);
      // The access crosses into the watched page: its part there is told.
      assert.deepEqual([engine.lastWatch?.write, engine.lastWatch?.size], [true, 2]);
      engine.setWatches([watch('read', DATA + 1, 1, space)]);
      assert.equal(engine.run(1000), Exit.Watchpoint);
      assert.equal(engine.count(), 4 + 3);
      assert.equal(engine.lastWatch?.write, false);
      engine.setWatches([watch('access', DATA + 2, 1, space)]);
      assert.equal(engine.run(1000), Exit.Budget, 'beside the range');
    });

  it('stops after a write to watched physical memory that the TLB had been filled for', async () => {
    const engine = await bareEngine(loop);
    engine.vcpu.setGpr(7, BigInt(DATA));
    engine.run(4);
    engine.setWatches([watch('write', DATA, 4, 'physical')]);
    assert.equal(engine.run(1000), Exit.Watchpoint);
    assert.equal(engine.lastWatch?.address, BigInt(DATA));
    engine.setWatches([]);
    assert.equal(engine.run(1000), Exit.Budget);
  });

  it('still forgets translations after many accesses beside a watched range', async () => {
    const engine = await bareEngine(loop);
    const place = 0x400000;
    engine.vcpu.setGpr(7, BigInt(DATA));
    engine.setWatches([watch('read', DATA + 0x800, 1, 'physical')]);
    assert.equal(engine.run(4 * 10_000), Exit.Budget);
    engine.vcpu.setGpr(7, BigInt(place));
    assert.equal(engine.run(4), Exit.Budget);
    // The page directory's entry: 2 MiB further.
    engine.physicalWrite(0x3000 + (place >> 21) * 8, new Uint8Array(BigUint64Array.of(BigInt(place + 0x200000) | 0xe7n).buffer));
    assert.equal(engine.run(4), Exit.Budget);
    const written = new DataView(engine.ram.buffer, engine.ram.byteOffset);
    assert.deepEqual([written.getUint32(place, true), written.getUint32(place + 0x200000, true)], [10_001, 10_002]);
  });

  it('sees a watched write inside a repeated string, at its iteration', async () => {
    const engine = await bareEngine('f3 48 ab  eb fe'); // rep stosq
    engine.vcpu.setGpr(7, BigInt(DATA));
    engine.vcpu.setGpr(1, 100n);
    engine.setWatches([watch('write', DATA + 8 * 40 + 3, 1)]);
    assert.equal(engine.run(1000), Exit.Watchpoint);
    assert.equal(engine.vcpu.gpr(1), 59n);
    assert.equal(engine.count(), 41);
  });

  it("raises the guest's own data breakpoint as a trap", async () => {
    const engine = await bareEngine(loop);
    const { vcpu } = engine;
    vcpu.setGpr(7, BigInt(DATA));
    vcpu.setU64(layout.DR, BigInt(DATA));
    vcpu.setU64(layout.DR + 7 * 8, 0xd0401n); // DR0: write, 4 bytes
    engine.debugRegistersChanged();
    // No interrupt table: delivering #DB ends in a triple fault, with DR6 saying why.
    assert.equal(engine.run(1000), Exit.Shutdown);
    assert.equal(vcpu.u32(layout.DR + 6 * 8) & 0xf, 1);
    assert.equal(engine.count(), 2);
  });

  it('faults where code runs past the end of its segment', async () => {
    const engine = await bareEngine('90 90 90 90');
    const { vcpu } = engine;
    vcpu.setU64(layout.CR0, 0x10n);
    vcpu.setU64(layout.EFER, 0n);
    for (const s of [layout.CS, layout.SS, layout.DS]) vcpu.setSegment(s, { selector: 0, base: 0n, limit: 0xffff, attributes: 0x93 });
    vcpu.rip = 0xfffen;
    engine.physicalWrite(0xfffe, Uint8Array.of(0x90, 0x90, 0x90, 0x90));
    // #GP (13) through the interrupt table of real mode, to 0:600; the table is at 0.
    engine.physicalWrite(13 * 4, Uint8Array.of(0x00, 0x06, 0x00, 0x00));
    vcpu.setU32(layout.IDTR_LIMIT, 0x3ff);
    vcpu.setU64(layout.IDTR_BASE, 0n);
    engine.physicalWrite(0x600, Uint8Array.of(0xeb, 0xfe));
    engine.modeChanged();
    engine.flush();
    engine.run(5);
    assert.equal(vcpu.rip, 0x600n);
  });

  it('runs code that changes itself', async () => {
    // mov byte [rip + 0], 0x05 changes the immediate of the next instruction: mov eax, 1
    const engine = await bareEngine('c6 05 01 00 00 00 05  b8 01 00 00 00  eb fe');
    engine.run(2);
    assert.equal(engine.vcpu.gpr(0), 5n);
  });
});
