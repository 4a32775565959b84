/** Indirect calls and returns, which compiled code tries the last target of first: where they lead elsewhere. */
import assert from 'node:assert/strict';
import { Exit, type Tier } from '../../../../../emulator/engine/engine';
import * as layout from '../../../../../emulator/x86/layout';
import { bareEngine, CODE, STACK } from '../bare';
import { Assembler, type Label } from './assembler';
import { makeHot } from './hot';

const [RAX, RBX, RSP, R13] = [0, 3, 4, 13];
const [Z, NZ] = [4, 5];
const ROUNDS = 200;

interface Functions {
  readonly triple: number;
  readonly increase: number;
  /** Jumps to where RAX says, as kernels do that keep the processor from guessing. */
  readonly thunk: number;
  /** Takes what was pushed before the call. */
  readonly add: number;
}

async function result(body: (code: Assembler, functions: Functions) => void, tier: Tier) {
  const code = new Assembler(CODE);
  const [start, loop]: Label[] = [{}, {}];
  code.jump(start!);
  const place = (build: () => void): number => {
    const at = CODE + code.here;
    build();
    return at;
  };
  const functions: Functions = {
    triple: place(() => {
      code.op(64, [0x6b], RBX, RBX, { immediate: [3] });
      code.emit(0xc3);
    }),
    increase: place(() => {
      code.aluImmediate('add', 64, RBX, 7);
      code.emit(0xc3);
    }),
    thunk: place(() => {
      const [inside, forever]: Label[] = [{}, {}];
      code.call(inside!);
      code.bind(forever!);
      code.emit(0xf3, 0x90);
      code.jump(forever!);
      code.bind(inside!);
      code.move(64, { base: RSP, displacement: 0 }, RAX);
      code.emit(0xc3);
    }),
    add: place(() => {
      code.aluLoad('add', 64, RBX, { base: RSP, displacement: 8 });
      code.emit(0xc2, 0x08, 0x00);
    }),
  };
  code.bind(start!);
  code.moveImmediate(R13, ROUNDS);
  code.bind(loop!);
  body(code, functions);
  code.aluImmediate('sub', 64, R13, 1);
  code.jcc(NZ, loop!);
  code.emit(0xf4);
  const engine = await bareEngine(Buffer.from(code.finish()).toString('hex'), {}, tier);
  const { vcpu } = engine;
  vcpu.setGpr(RBX, 5n);
  if (tier === 'region') {
    // What is called now is what was called the last time.
    vcpu.setU32(layout.HEAT_AT_FIRST, ROUNDS);
    assert.equal(engine.run(60), Exit.Budget);
    makeHot(vcpu);
  }
  assert.equal(engine.run(100_000), Exit.Halt);
  return {
    registers: [RAX, RBX, RSP, R13].map((register) => vcpu.gpr(register)),
    stack: Buffer.from(engine.ram.subarray(STACK - 64, STACK)),
    count: engine.count(),
    compiled: engine.compiledInstructions,
  };
}

async function same(body: (code: Assembler, functions: Functions) => void): Promise<void> {
  const { compiled, ...found } = await result(body, 'region');
  const { compiled: none, ...expected } = await result(body, 'generic');
  assert.deepEqual(found, expected);
  assert.equal(none, 0);
  assert.ok(compiled / found.count > 0.8, `${compiled} of ${found.count} instructions compiled`);
}

/** RAX: one function or another, in turns of eight rounds. */
function choose(code: Assembler, { triple, increase }: Functions): void {
  const chosen: Label = {};
  code.moveImmediate(RAX, triple);
  code.aluImmediate('test', 32, R13, 8);
  code.jcc(Z, chosen);
  code.moveImmediate(RAX, increase);
  code.bind(chosen);
}
const callRegister = (code: Assembler): void => code.op(32, [0xff], 2, RAX);
function callAddress(code: Assembler, address: number): void {
  const target: Label = {};
  target.at = address - CODE;
  code.call(target);
}

describe('targets that compiled code expects', () => {
  it('of calls through a register are others now and then', () =>
    same((code, functions) => {
      choose(code, functions);
      callRegister(code);
    }));
  it('of returns that are jumps, likewise', () =>
    same((code, functions) => {
      choose(code, functions);
      callAddress(code, functions.thunk);
    }));
  it('of returns are behind each of the calls', () =>
    same((code, { triple, increase }) => {
      for (let i = 0; i < 6; i++) callAddress(code, i % 3 ? triple : increase);
    }));
  it('are no immediates of returns', () =>
    same((code, functions) => {
      choose(code, functions);
      code.push(R13);
      callAddress(code, functions.add);
      callRegister(code);
      code.push(RBX);
      callAddress(code, functions.add);
    }));
});
