/** Upper halves of registers that compiled code knows to be 0, and those that only seem to be. */
import assert from 'node:assert/strict';
import { Exit, type Tier } from '../../../../../emulator/engine/engine';
import type { WasmEngine } from '../../../../../emulator/engine/wasm-engine';
import * as layout from '../../../../../emulator/x86/layout';
import { bareEngine, CODE } from '../bare';
import { Assembler, type Label } from './assembler';
import { makeHot } from './hot';

const [RAX, RCX, RDX, RBX, RSI, R13] = [0, 1, 2, 3, 6, 13];
const [NZ, MULTIPLY] = [5, [0x0f, 0xaf]];
const REGISTERS = [RAX, RCX, RDX, RBX, RSI, R13];

function run(engine: WasmEngine, tier: Tier): readonly bigint[] {
  const { vcpu } = engine;
  if (tier === 'region') {
    // All blocks have run before the first is compiled, and go into one region.
    vcpu.setU32(layout.HEAT_AT_FIRST, 1000);
    engine.run(60);
    makeHot(vcpu);
  }
  assert.equal(engine.run(10_000), Exit.Halt);
  return REGISTERS.map((register) => vcpu.gpr(register));
}

describe('upper halves in 64-bit code', () => {
  async function result(body: (code: Assembler) => void, tier: Tier): Promise<readonly bigint[]> {
    const code = new Assembler(CODE);
    const start: Label = {};
    code.moveImmediate(R13, 40);
    code.moveImmediate(RBX, -5);
    code.bind(start);
    body(code);
    code.aluImmediate('sub', 64, R13, 1);
    code.jcc(NZ, start);
    code.emit(0xf4);
    const engine = await bareEngine(Buffer.from(code.finish()).toString('hex'), {}, tier);
    const registers = run(engine, tier);
    if (tier === 'region') assert.ok(engine.compiledInstructions > engine.count() / 2);
    return registers;
  }
  const same = async (body: (code: Assembler) => void): Promise<void> => assert.deepEqual(await result(body, 'region'), await result(body, 'generic'));

  it('are 0 after a write of 32 bits, until the next one of 64', () =>
    same((code) => {
      code.alu('add', 32, RAX, RBX);
      code.move(32, RCX, RAX);
      code.alu('add', 64, RAX, RBX);
      code.move(32, RDX, RAX);
      code.alu('add', 64, RSI, RDX);
      code.op(64, MULTIPLY, RAX, RAX);
      code.move(32, RDX, RAX);
      code.alu('xor', 64, RSI, RDX);
    }));

  for (const sizes of [
    [32, 64],
    [64, 32],
  ] as const)
    it(`are not known where control comes together after writes of ${sizes.join(' and ')} bits`, () =>
      same((code) => {
        const [other, over]: Label[] = [{}, {}];
        code.aluImmediate('test', 8, R13, 1);
        code.jcc(NZ, other!);
        code.move(sizes[0], RAX, RBX);
        code.jump(over!);
        code.bind(other!);
        code.move(sizes[1], RAX, RBX);
        code.jump(over!);
        code.bind(over!);
        code.move(32, RDX, RAX);
        code.alu('add', 64, RSI, RDX);
      }));

  it('stay as they are where bytes and words are written', () =>
    same((code) => {
      code.move(8, RAX, RBX);
      code.move(16, RCX, RBX);
      code.alu('add', 64, RSI, RAX);
      code.alu('add', 64, RSI, RCX);
      code.op(64, [0xc1], 1, RBX, { immediate: [3] }); // ror
      code.alu('add', 64, RAX, RBX);
      code.alu('sub', 64, RCX, RBX);
    }));
});

describe('upper halves in 32-bit code', () => {
  // add al, cl; add ebx, eax; add ax, bx; ror ebx, 1; lea esi, [ebx+eax*4-4]; mov [0x9000], esi; add edx, [0x9000]; dec ecx; jnz; hlt
  const LOOP = '00c8 01c3 6601d8 d1cb 8d7483fc 893500900000 031500900000 49 75e4 f4';

  async function engineOf(tier: Tier, rax: bigint): Promise<WasmEngine> {
    const engine = await bareEngine(LOOP, {}, tier);
    const { vcpu } = engine;
    vcpu.setU64(layout.CR0, 0x11n);
    vcpu.setU64(layout.CR4, 0n);
    vcpu.setU64(layout.EFER, 0n);
    vcpu.setSegment(layout.CS, { selector: 0x10, base: 0n, limit: 0xffffffff, attributes: 0xc09b });
    vcpu.setGpr(RAX, rax);
    vcpu.setGpr(RCX, 100n);
    vcpu.setGpr(RBX, 0xfedcba98n);
    engine.modeChanged();
    engine.flush();
    return engine;
  }

  for (const rax of [0x12345678n, 0x1_0000_0000n, 0x8765_4321_0000_0001n])
    it(`are what the interpreter leaves, from 0x${rax.toString(16)} on`, async () => {
      const compiled = await engineOf('region', rax);
      assert.deepEqual(run(compiled, 'region'), run(await engineOf('generic', rax), 'generic'));
      // Code that is made for upper halves of 0 runs only where they are.
      assert.equal(compiled.compiledInstructions > 0, rax < 1n << 32n);
    });
});
