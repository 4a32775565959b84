/** What loops of compiled code carry from round to round: flags that are found again from registers, and translations. */
import assert from 'node:assert/strict';
import type { Tier } from '../../../../../emulator/engine/engine';
import { Exit } from '../../../../../emulator/engine/engine';
import * as layout from '../../../../../emulator/x86/layout';
import { bareEngine, CODE } from '../bare';
import { Assembler, type Label } from './assembler';

const [RAX, RCX, RBX, RSI, R13] = [0, 1, 3, 6, 13];
const [BELOW, NZ, LE, LOOP, JRCXZ] = [2, 5, 14, 0xe2, 0xe3];
const [PT, WINDOW, FRAMES] = [0x5000, 0x400000, 0x800000];
const words = (...values: bigint[]): Uint8Array => new Uint8Array(BigUint64Array.from(values).buffer);

/** RBX: a history of what RAX was. */
function note(code: Assembler): void {
  code.op(64, [0x6b], RBX, RBX, { immediate: [3] });
  code.alu('add', 64, RBX, RAX);
}

async function result(build: (code: Assembler) => void, tier: Tier): Promise<bigint> {
  const code = new Assembler(CODE);
  build(code);
  code.emit(0xf4);
  const engine = await bareEngine(Buffer.from(code.finish()).toString('hex'), {}, tier);
  // Two neighbours that lie apart.
  engine.physicalWrite(0x3000 + (WINDOW >> 21) * 8, words(BigInt(PT) | 7n));
  engine.physicalWrite(PT, words(BigInt(FRAMES + 0x3000) | 7n, BigInt(FRAMES) | 7n));
  for (let frame = 0; frame < 4; frame++) engine.physicalWrite(FRAMES + frame * 0x1000, new Uint8Array(0x1000).fill(frame + 1));
  engine.flush();
  if (tier === 'region') engine.vcpu.setU32(layout.HEAT_AT_FIRST, 3);
  assert.equal(engine.run(10_000), Exit.Halt);
  if (tier === 'region') assert.ok(engine.compiledInstructions > engine.count() / 2);
  return engine.vcpu.gpr(RBX);
}

async function same(build: (code: Assembler) => void): Promise<void> {
  assert.equal(await result(build, 'region'), await result(build, 'generic'));
}

describe('loops of compiled code', () => {
  it('carry the flags of a comparison whose register LOOP changes behind it', () =>
    same((code) => {
      const start: Label = {};
      code.moveImmediate(RCX, 40);
      code.bind(start);
      code.op(8, [0x0f, 0x92], 0, RAX); // setb al
      note(code);
      code.aluImmediate('cmp', 64, RCX, 20);
      code.loop(LOOP, start);
    }));

  it('carry the flags of a comparison whose register changes before another way back', () =>
    same((code) => {
      const [start, end]: Label[] = [{}, {}];
      code.moveImmediate(RCX, 20);
      code.moveImmediate(R13, 40);
      // A block begins there at once: it is hot before the others.
      code.jump(start!);
      code.bind(start!);
      code.op(8, [0x0f, 0x9a], 0, RAX); // setp al
      note(code);
      code.step(64, 1, R13);
      code.jcc(LE, end!);
      code.aluImmediate('cmp', 64, RCX, 20);
      code.jcc(BELOW, start!);
      code.lea(RCX, { base: RCX, displacement: 1 });
      code.jump(start!);
      code.bind(end!);
    }));

  it('carry flags past a join that only some ways lead to', () =>
    same((code) => {
      const [start, over]: Label[] = [{}, {}];
      code.moveImmediate(R13, 40);
      code.moveImmediate(RCX, 1);
      code.jump(start!);
      code.bind(start!);
      code.loop(JRCXZ, over!);
      code.lea(12, { base: 12, displacement: 1 });
      code.bind(over!);
      code.op(8, [0x0f, 0x9a], 0, RAX); // setp al
      note(code);
      code.aluImmediate('sub', 64, R13, 1);
      code.jcc(NZ, start!);
    }));

  it('read what lies in two pages from both, on the way down', () =>
    same((code) => {
      const start: Label = {};
      code.moveImmediate(RCX, 40);
      code.moveImmediate(RSI, WINDOW + 0x1050);
      code.bind(start);
      code.load(64, RAX, { base: RSI, displacement: 0 });
      note(code);
      code.aluImmediate('sub', 64, RSI, 6);
      code.step(64, 1, RCX);
      code.jcc(NZ, start);
    }));

  it('find no translation where none is known yet', async () => {
    const build = (code: Assembler): void => {
      const [start, skip]: Label[] = [{}, {}];
      code.moveImmediate(RCX, 40);
      code.moveImmediate(RSI, 0);
      code.bind(start!);
      // Page 0 has nothing but zeros here; the engine's own page 0 has.
      code.load(64, RAX, { base: RSI, displacement: 0x10 });
      note(code);
      code.jcc(NZ, skip!);
      code.bind(skip!);
      code.step(64, 1, RCX);
      code.jcc(NZ, start!);
    };
    assert.equal(await result(build, 'region'), 0n);
    await same(build);
  });
});
