/** What has quick ways in protected mode too: string runs, STI, IRETD. */
import assert from 'node:assert/strict';
import { Exit } from '../../../../emulator/engine/engine';
import type { WasmEngine } from '../../../../emulator/engine/wasm-engine';
import * as layout from '../../../../emulator/x86/layout';
import { bareEngine, CODE, DATA, STACK } from './bare';

const RAX = 0;
const RCX = 1;
const RSP = 4;
const RSI = 6;
const RDI = 7;
const SOURCE = DATA + 0x10000;
const GDT = 0x20000;
const FLAT_CODE = { selector: 0x10, base: 0n, limit: 0xffffffff, attributes: 0xc09b };

/** In 32-bit code with flat segments, without paging. */
async function legacyEngine(hexCode: string): Promise<WasmEngine> {
  const engine = await bareEngine(hexCode);
  const { vcpu } = engine;
  vcpu.setU64(layout.CR0, 0x11n);
  vcpu.setU64(layout.CR4, 0n);
  vcpu.setU64(layout.EFER, 0n);
  vcpu.setSegment(layout.CS, FLAT_CODE);
  // Descriptors 0x10: flat code, 0x18: flat data.
  engine.physicalWrite(GDT + 0x10, Buffer.from('ffff0000009bcf00ffff00000093cf00', 'hex'));
  vcpu.setU64(layout.GDTR_BASE, BigInt(GDT));
  vcpu.setU32(layout.GDTR_LIMIT, 0x1f);
  engine.modeChanged();
  engine.flush();
  return engine;
}
const read = (engine: WasmEngine, at: number, length: number): Buffer => Buffer.from(engine.ram.subarray(at, at + length));

describe('string instructions of 32-bit code', () => {
  it('copy over pages, and pay for every element', async () => {
    const engine = await legacyEngine('f3a5 ebfe'); // rep movsd; jmp $
    const bytes = Buffer.from(Array.from({ length: 0x3000 }, (_, i) => (i * 7) & 0xff));
    engine.physicalWrite(SOURCE + 2, bytes);
    for (const [register, value] of [[RSI, SOURCE + 2], [RDI, DATA + 1], [RCX, 0xc00]] as const) engine.vcpu.setGpr(register, BigInt(value)); // prettier-ignore
    assert.equal(engine.run(0x500), Exit.Budget);
    assert.deepEqual([engine.vcpu.gpr(RCX), engine.vcpu.rip], [0x700n, BigInt(CODE)]);
    engine.run(0x800);
    assert.deepEqual([engine.vcpu.gpr(RSI), engine.vcpu.gpr(RDI), engine.vcpu.gpr(RCX)], [BigInt(SOURCE + 2 + 0x3000), BigInt(DATA + 1 + 0x3000), 0n]);
    assert.deepEqual(read(engine, DATA + 1, 0x3000), bytes);
  });

  it('fault at the element that passes the limit of its segment', async () => {
    const engine = await legacyEngine('f3a4 ebfe'); // rep movsb
    engine.vcpu.setSegment(layout.ES, { selector: 0x18, base: 0n, limit: DATA + 99, attributes: 0xc093 });
    engine.modeChanged();
    engine.physicalWrite(SOURCE, Buffer.alloc(200, 0x5a));
    for (const [register, value] of [[RSI, SOURCE], [RDI, DATA], [RCX, 200]] as const) engine.vcpu.setGpr(register, BigInt(value)); // prettier-ignore
    assert.equal(engine.run(1000), Exit.Shutdown); // #GP, and no IDT
    assert.deepEqual([engine.vcpu.gpr(RSI), engine.vcpu.gpr(RDI), engine.vcpu.gpr(RCX)], [BigInt(SOURCE + 100), BigInt(DATA + 100), 100n]);
    assert.deepEqual(read(engine, DATA, 101), Buffer.concat([Buffer.alloc(100, 0x5a), Buffer.alloc(1)]));
  });

  it('wrap where their addresses have 16 bits', async () => {
    const engine = await legacyEngine('67f3aa ebfe'); // rep stosb with DI and CX
    for (const [register, value] of [[RAX, 0x77], [RDI, 0x9fff0], [RCX, 0x20]] as const) engine.vcpu.setGpr(register, BigInt(value)); // prettier-ignore
    assert.equal(engine.run(0x21), Exit.Budget);
    assert.deepEqual([engine.vcpu.gpr(RDI), engine.vcpu.gpr(RCX)], [0x90010n, 0n]);
    assert.deepEqual(
      [read(engine, 0, 0x10), read(engine, 0x10, 1), read(engine, 0xfff0, 0x10)],
      [Buffer.alloc(16, 0x77), Buffer.alloc(1), Buffer.alloc(16, 0x77)],
    );
  });
});

describe('IRETD and STI of 32-bit code', () => {
  const RETURN = CODE + 0x100;
  const iretd = async (cs: number, flags: number): Promise<WasmEngine> => {
    const engine = await legacyEngine('cf');
    const frame = Buffer.alloc(12);
    [RETURN, cs, flags].forEach((value, i) => frame.writeUInt32LE(value, i * 4));
    engine.physicalWrite(STACK, frame);
    engine.physicalWrite(RETURN, Buffer.from('fbebfe', 'hex')); // sti; jmp $
    return engine;
  };

  it('returns inside privilege 0 with the flags of the frame', async () => {
    const engine = await iretd(0x10, 0x8d7);
    assert.equal(engine.run(1), Exit.Budget);
    const { vcpu } = engine;
    assert.deepEqual([vcpu.rip, vcpu.gpr(RSP), vcpu.rflags & 0xfd7n], [BigInt(RETURN), BigInt(STACK + 12), 0x8d7n]);
    engine.run(2);
    assert.deepEqual([vcpu.rip, vcpu.rflags & 0x200n], [BigInt(RETURN + 1), 0x200n]);
  });

  it('refuses a frame whose code segment is data', async () => {
    const engine = await iretd(0x18, 2);
    assert.equal(engine.run(1), Exit.Shutdown);
    assert.equal(engine.vcpu.gpr(RSP), BigInt(STACK));
  });

  it('refuses INVLPG, INVD and WBINVD at privilege 3', async () => {
    for (const code of ['0f0138', '0f08', '0f09'])
      for (const cpl of [0, 3] as const) {
        const engine = await legacyEngine(`${code} ebfe`);
        engine.vcpu.cpl = cpl;
        engine.modeChanged();
        assert.equal(engine.run(10), cpl === 0 ? Exit.Budget : Exit.Shutdown, `${code} at ${cpl}`);
      }
  });
});
