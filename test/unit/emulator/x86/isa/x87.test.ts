/** What the differential test can't compare: pointers to the last instruction, and where exceptions are raised. */
import assert from 'node:assert/strict';
import type { WasmEngine } from '../../../../../emulator/engine/wasm-engine';
import * as layout from '../../../../../emulator/x86/layout';
import { bareEngine, CODE, DATA } from '../../engine/bare';

const IDT = 0x6000;
const HANDLER = 0x9000;
const DEVICE_NOT_AVAILABLE = 7;
const UNDEFINED = 6;
const MATH_FAULT = 16;
const RDI = 7;
const ONE = { significand: 0x8000000000000000n, exponent: 0x3fff };

/** An engine with a handler for each vector, which is `jmp $`. */
async function machine(hexCode: string): Promise<WasmEngine> {
  const engine = await bareEngine(hexCode);
  const { vcpu } = engine;
  const image = new DataView(new ArrayBuffer(32 * 16));
  for (let vector = 0; vector < 32; vector++) {
    const handler = BigInt(HANDLER + vector * 16);
    image.setBigUint64(vector * 16, (handler & 0xffffn) | (0x10n << 16n) | (0x8en << 40n), true);
    engine.physicalWrite(HANDLER + vector * 16, Uint8Array.of(0xeb, 0xfe));
  }
  engine.physicalWrite(IDT, new Uint8Array(image.buffer));
  const gdt = new DataView(new ArrayBuffer(32));
  gdt.setBigUint64(0x10, 0x00af9b000000ffffn, true);
  gdt.setBigUint64(0x18, 0x00cf93000000ffffn, true);
  engine.physicalWrite(0x7000, new Uint8Array(gdt.buffer));
  vcpu.setU64(layout.GDTR_BASE, 0x7000n);
  vcpu.setU32(layout.GDTR_LIMIT, 31);
  vcpu.setU64(layout.IDTR_BASE, BigInt(IDT));
  vcpu.setU32(layout.IDTR_LIMIT, 32 * 16 - 1);
  vcpu.setGpr(RDI, BigInt(DATA));
  vcpu.setU16(layout.FPU_CONTROL, 0x37f);
  engine.modeChanged();
  return engine;
}

/** Vector whose handler runs after `count` instructions; undefined where none does. */
function raised(engine: WasmEngine, count: number): number | undefined {
  engine.run(count);
  const at = Number(engine.vcpu.rip) - HANDLER;
  return at >= 0 && at < 32 * 16 ? at / 16 : undefined;
}

/** RIP that the handler of an exception without error code returns to. */
const returnAddress = (engine: WasmEngine): bigint => new DataView(engine.ram.buffer, engine.ram.byteOffset).getBigUint64(Number(engine.vcpu.gpr(4)), true);

const top = (engine: WasmEngine) => {
  const { vcpu } = engine;
  const at = layout.FPR + ((vcpu.u16(layout.FPU_STATUS) >> 11) & 7) * 16;
  return { significand: vcpu.u64(at), exponent: vcpu.u16(at + 8) };
};

describe('x87 instructions', () => {
  it('keep opcode, address and operand of the last one that is not a control instruction', async () => {
    // nop; fadd qword [rdi+8]; fnstcw [rdi]; fld1; wait
    const engine = await machine('90  dc 47 08  d9 3f  d9 e8  9b');
    const { vcpu } = engine;
    const pointers = () => [vcpu.u16(layout.FPU_OPCODE), vcpu.u64(layout.FPU_IP), vcpu.u64(layout.FPU_DP), vcpu.u16(layout.FPU_CS), vcpu.u16(layout.FPU_DS)];
    engine.run(2);
    const afterAdd = [0x447, BigInt(CODE + 1), BigInt(DATA + 8), 0x10, 0x18];
    assert.deepEqual(pointers(), afterAdd);
    engine.run(1);
    assert.deepEqual(pointers(), afterAdd, 'FNSTCW is a control instruction');
    engine.run(1);
    assert.deepEqual(pointers(), [0x1e8, BigInt(CODE + 6), BigInt(DATA + 8), 0x10, 0x18], 'without an operand the old one stays');
    engine.run(1);
    assert.equal(vcpu.u64(layout.FPU_IP), BigInt(CODE + 6));
  });

  it('keep offsets in segments outside 64-bit mode', async () => {
    const engine = await machine('90  d8 47 04'); // fadd dword [edi+4]
    const { vcpu } = engine;
    const data = { selector: 0x23, base: 0x100n, limit: 0xffffffff, attributes: 0xc0f3 };
    for (const s of [layout.ES, layout.SS, layout.DS]) vcpu.setSegment(s, data);
    vcpu.setSegment(layout.CS, { selector: 0x1b, base: BigInt(CODE), limit: 0xffffffff, attributes: 0xc0fb });
    vcpu.rip = 0n;
    engine.modeChanged();
    engine.run(2);
    assert.deepEqual([vcpu.u64(layout.FPU_IP), vcpu.u16(layout.FPU_CS)], [1n, 0x1b]);
    assert.deepEqual([vcpu.u64(layout.FPU_DP), vcpu.u16(layout.FPU_DS)], [BigInt(DATA + 4), 0x23]);
  });

  it('leave an unmasked exception pending for the next instruction that waits', async () => {
    // fldcw [rdi]; fld1; fldz; fdivp; fnstsw ax; fnop
    const engine = await machine('d9 2f  d9 e8  d9 ee  de f9  df e0  d9 d0');
    engine.physicalWrite(DATA, Uint8Array.of(0x7b, 0x03)); // division by zero is not masked
    assert.equal(raised(engine, 5), undefined);
    assert.equal(Number(engine.vcpu.gpr(0)) & 0xffff, 0xb084, 'ES, B and ZE; nothing was popped');
    assert.equal(raised(engine, 1), MATH_FAULT);
    assert.equal(returnAddress(engine), BigInt(CODE + 10));
    assert.equal(engine.vcpu.u64(layout.FPU_IP), BigInt(CODE + 6), 'the division is told, not the instruction that found out');
  });

  for (const [name, code, vector] of [
    ['WAIT', '9b', MATH_FAULT],
    ['FLDCW', 'd9 2f', MATH_FAULT],
    ['FLD', 'd9 07', MATH_FAULT],
    ['MOVQ mm', '0f 6f 07', MATH_FAULT],
    ['EMMS', '0f 77', MATH_FAULT],
    ['FNCLEX', 'db e2', undefined],
    ['FNINIT', 'db e3', undefined],
    ['FNSTSW', 'dd 3f', undefined],
    ['FNSTCW', 'd9 3f', undefined],
    ['MOVQ xmm', 'f3 0f 7e 07', undefined],
  ] as const)
    it(`${name} ${vector ? 'waits' : 'does not wait'}`, async () => {
      const engine = await machine(code);
      engine.vcpu.setU16(layout.FPU_CONTROL, 0x37e);
      engine.vcpu.setU16(layout.FPU_STATUS, 0x8081);
      assert.equal(raised(engine, 1), vector);
    });

  it('pend as soon as FLDCW unmasks an exception that has happened', async () => {
    const engine = await machine('d9 2f  d9 e8'); // fldcw [rdi]; fld1
    engine.physicalWrite(DATA, Uint8Array.of(0x7e, 0x03));
    engine.vcpu.setU16(layout.FPU_STATUS, 1);
    assert.equal(raised(engine, 1), undefined);
    assert.equal(engine.vcpu.u16(layout.FPU_STATUS), 0x8081);
    assert.equal(raised(engine, 1), MATH_FAULT);
  });

  const TS = 1n << 3n;
  const EM = 1n << 2n;
  const MP = 1n << 1n;
  for (const [name, code, bits, vector] of [
    ['FLD with CR0.TS', 'd9 e8', TS, DEVICE_NOT_AVAILABLE],
    ['FLD with CR0.EM', 'd9 e8', EM, DEVICE_NOT_AVAILABLE],
    ['EMMS with CR0.EM', '0f 77', EM, UNDEFINED],
    ['WAIT with CR0.TS and MP', '9b', TS | MP, DEVICE_NOT_AVAILABLE],
    ['WAIT with CR0.TS', '9b', TS, undefined],
    ['WAIT with CR0.EM', '9b', EM | MP, undefined],
  ] as const)
    it(`${name}: ${vector === undefined ? 'no exception' : `vector ${vector}`}`, async () => {
      const engine = await machine(code);
      const { vcpu } = engine;
      vcpu.setU64(layout.CR0, (vcpu.u64(layout.CR0) & ~(TS | EM | MP)) | bits);
      engine.modeChanged();
      assert.equal(raised(engine, 1), vector);
    });

  it('change nothing where memory faults', async () => {
    for (const code of ['d9 1c 25 00 00 00 c0', 'db 3c 25 00 00 00 c0', 'df 34 25 00 00 00 c0', 'd9 04 25 00 00 00 c0']) {
      const engine = await machine(`d9 e8 ${code}`); // fld1; then fstp m32, fstp m80, fbstp m80, fld m32 of an unmapped address
      assert.equal(raised(engine, 2), 14);
      assert.deepEqual(top(engine), ONE);
      assert.deepEqual([engine.vcpu.u16(layout.FPU_STATUS), engine.vcpu.view.getUint8(layout.FPU_TAGS)], [0x3800, 0x80]);
      assert.equal(engine.vcpu.u64(layout.FPU_IP), BigInt(CODE));
    }
  });

  it('store and load ten bytes across pages', async () => {
    const engine = await machine('d9 eb  db bf fb 0f 00 00  db af fb 0f 00 00'); // fldpi; fstp tword [rdi+ffb]; fld tword [rdi+ffb]
    engine.run(3);
    assert.equal(Buffer.from(engine.ram.slice(DATA + 0xffb, DATA + 0x1006)).toString('hex'), '35c26821a2da0fc9004000');
    assert.deepEqual(top(engine), { significand: 0xc90fdaa22168c235n, exponent: 0x4000 });
  });

  it('report a full stack in C1', async () => {
    const engine = await machine('d9 e8 '.repeat(9));
    engine.run(8);
    assert.equal(engine.vcpu.u16(layout.FPU_STATUS), 0);
    engine.run(1);
    assert.equal(engine.vcpu.u16(layout.FPU_STATUS), 0x3800 | 0x241);
    assert.deepEqual(top(engine), { significand: 0xc000000000000000n, exponent: 0xffff });
  });
});
