import assert from 'node:assert/strict';
import { Exit } from '../../../../emulator/engine/engine';
import type { WasmEngine } from '../../../../emulator/engine/wasm-engine';
import * as layout from '../../../../emulator/x86/layout';
import { ACTIVE, CR0_NE, HALTED } from '../../../../emulator/x86/vcpu';
import { bareEngine, CODE } from './bare';

const GDT = 0x8000;
const IDT = 0x9000;
const HANDLER = 0xa000;
const IRQ13 = 0x2d;
const MATH_FAULT = 16;
/** Control word with the divide-by-zero exception open. */
const CONTROL = 0x900;

// fninit; fldcw [CONTROL]; fld1; fldz; fdivp; nop; WAIT: fwait; inc rax; hlt
const CODE_BYTES = 'db e3  d9 2c 25 00 09 00 00  d9 e8  d9 ee  de f9  90  9b  48 ff c0  f4';
const WAIT = CODE + 16;
/** out 0xF0, al; iretq */
const RELEASE = 'e6 f0  48 cf';
/** fnclex; iretq */
const CLEAR = 'db e2  48 cf';

async function prepare(ne: boolean, handler: string): Promise<{ engine: WasmEngine; errors: number[]; vectors: number[] }> {
  const errors: number[] = [];
  const vectors: number[] = [];
  let pending = false;
  const engine: WasmEngine = await bareEngine(CODE_BYTES, {
    floatError: (vcpu) => {
      errors.push(vcpu);
      pending = true;
    },
    interruptPending: () => pending,
    acknowledgeInterrupt: () => {
      pending = false;
      vectors.push(IRQ13);
      return IRQ13;
    },
    portWrite: (port) => {
      if (port === 0xf0) engine.ignoreFloatError();
    },
    exception: (_, vector) => vectors.push(vector),
  });
  const { vcpu } = engine;
  vcpu.setU64(layout.CR0, ne ? vcpu.cr0 | CR0_NE : vcpu.cr0 & ~CR0_NE);
  const word = (value: bigint): Buffer => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(value);
    return bytes;
  };
  engine.physicalWrite(CONTROL, Buffer.from([0x7b, 0x03]));
  engine.physicalWrite(GDT + 0x10, word(0x00af9b000000ffffn));
  engine.physicalWrite(GDT + 0x18, word(0x00cf93000000ffffn));
  for (const vector of [MATH_FAULT, IRQ13]) engine.physicalWrite(IDT + vector * 16, word(BigInt(HANDLER) | 0x8e0000100000n));
  engine.physicalWrite(HANDLER, Buffer.from(handler.replace(/\s/g, ''), 'hex'));
  vcpu.setU64(layout.GDTR_BASE, BigInt(GDT));
  vcpu.setU32(layout.GDTR_LIMIT, 0xff);
  vcpu.setU64(layout.IDTR_BASE, BigInt(IDT));
  vcpu.setU32(layout.IDTR_LIMIT, 0xfff);
  vcpu.systemFlags |= 0x200n;
  engine.modeChanged();
  return { engine, errors, vectors };
}

describe('x87 errors', () => {
  it('are exception 16 with CR0.NE', async () => {
    const { engine, errors, vectors } = await prepare(true, CLEAR);
    assert.equal(engine.run(100), Exit.Halt);
    assert.deepEqual([errors, vectors, engine.vcpu.gpr(0)], [[], [MATH_FAULT], 1n]);
  });

  it('without it freeze the vCPU before the next waiting instruction, and go to the board', async () => {
    const { engine, errors, vectors } = await prepare(false, RELEASE);
    engine.vcpu.systemFlags &= ~0x200n;
    assert.equal(engine.run(100), Exit.Halt);
    assert.deepEqual([errors, vectors, engine.vcpu.rip, engine.vcpu.u32(layout.ACTIVITY)], [[0], [], BigInt(WAIT), HALTED]);
    engine.vcpu.systemFlags |= 0x200n;
    assert.equal(engine.run(1), Exit.Budget);
    assert.deepEqual([vectors, engine.vcpu.u32(layout.ACTIVITY)], [[IRQ13], ACTIVE]);
  });

  for (const [name, handler] of [
    ['releases', RELEASE],
    ['clears', CLEAR],
  ] as const) {
    it(`without it go on when the handler of interrupt 13 ${name} them`, async () => {
      const { engine, errors, vectors } = await prepare(false, handler);
      assert.equal(engine.run(100), Exit.Halt);
      assert.deepEqual([errors, vectors, engine.vcpu.gpr(0)], [[0], [IRQ13], 1n]);
      assert.equal(engine.vcpu.u16(layout.FPU_STATUS) & 4, name === 'clears' ? 0 : 4, 'the flag is the handler’s to clear');
    });
  }
});
