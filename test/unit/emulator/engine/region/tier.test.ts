import assert from 'node:assert/strict';
import { Exit, type Tier } from '../../../../../emulator/engine/engine';
import type { WasmEngine } from '../../../../../emulator/engine/wasm-engine';
import * as layout from '../../../../../emulator/x86/layout';
import { bareEngine, CODE, DATA } from '../bare';

/** Two nested loops around a call. */
const NESTED = `
  b92c010000      mov ecx, 300
  ba14000000      outer: mov edx, 20
  e809000000      inner: call f
  ffca            dec edx
  75f7            jnz inner
  ffc9            dec ecx
  75ee            jnz outer
  f4              hlt
  4801d0          f: add rax, rdx
  48c1c003        rol rax, 3
  488906          mov [rsi], rax
  c3              ret`;

/** A loop that changes the immediate of its own next instruction. */
const SELF_MODIFYING = `
  b9e8030000      mov ecx, 1000
  880d01000000    loop: mov [rip+1], cl
  0500000000      add eax, 0
  ffc9            dec ecx
  75f1            jnz loop
  f4              hlt`;

/** A loop over four cases that a computed jump chooses. */
const CASES = `
  b9d0070000      mov ecx, 2000
  89c8            loop: mov eax, ecx
  83e003          and eax, 3
  c1e004          shl eax, 4
  4801f8          add rax, rdi
  ffe0            jmp rax
  ffc9            next: dec ecx
  75ef            jnz loop
  f4              hlt`;
const CASE_TABLE = 0x100;
const NEXT = 18;

const hex = (listing: string): string => listing.trim().split('\n').map((line) => line.trim().split(/\s{2,}/)[0]!).join(''); // prettier-ignore

async function machine(listing: string, tier: Tier): Promise<WasmEngine> {
  const engine = await bareEngine(hex(listing), {}, tier);
  engine.vcpu.setGpr(6, BigInt(DATA));
  engine.vcpu.setGpr(7, BigInt(CODE + CASE_TABLE));
  for (let i = 0; i < 4; i++) {
    const at = CODE + CASE_TABLE + i * 16;
    // add rbx, i+1; jmp next
    const jump = Buffer.alloc(4);
    jump.writeInt32LE(CODE + NEXT - (at + 9));
    engine.physicalWrite(at, Buffer.concat([Buffer.from([0x48, 0x83, 0xc3, i + 1, 0xe9]), jump]));
  }
  return engine;
}

function state({ vcpu }: WasmEngine): string {
  const registers = Array.from({ length: 16 }, (_, i) => vcpu.gpr(i).toString(16));
  return [vcpu.rip.toString(16), vcpu.u64(layout.FLAG_RESULT), vcpu.u64(layout.FLAG_CARRIES), ...registers].join(' ');
}

/** Runs both in the same odd slices; every stop must be the same. */
async function sameHistory(listing: string): Promise<WasmEngine> {
  const [generic, region] = [await machine(listing, 'generic'), await machine(listing, 'region')];
  let seed = 7;
  for (let stop = 0; ; stop++) {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    const slice = seed % 3 ? seed % 40 : seed % 700;
    const exits = [generic.run(slice), region.run(slice)];
    assert.equal(exits[1], exits[0], `stop ${stop}`);
    assert.equal(region.count(), generic.count());
    assert.equal(state(region), state(generic), `state at ${generic.count()}`);
    if (exits[0] === Exit.Halt) return region;
    assert.ok(stop < 5000, 'the program does not end');
  }
}

describe('compiled code', () => {
  it('stops exactly where a slice ends, in nested loops and calls', async () => {
    const engine = await sameHistory(NESTED);
    assert.ok(engine.compiledInstructions > engine.count() / 4, `${engine.compiledInstructions} of ${engine.count()} compiled`);
  });

  it('sees that it changes itself', async () => {
    const engine = await sameHistory(SELF_MODIFYING);
    const bytes = Array.from({ length: 1000 }, (_, i) => (i + 1) & 0xff);
    assert.equal(engine.vcpu.gpr(0), BigInt(bytes.reduce((a, b) => a + b)));
  });

  it('follows computed jumps without leaving', async () => {
    const engine = await sameHistory(CASES);
    assert.equal(engine.vcpu.gpr(3), 500n * (1n + 2n + 3n + 4n));
    const whole = await machine(CASES, 'region');
    assert.equal(whole.run(1_000_000), Exit.Halt);
    assert.ok(whole.compiledInstructions > (whole.count() * 3) / 4, `${whole.compiledInstructions} of ${whole.count()} compiled`);
  });

  it('stops at breakpoints that are set while it runs, and goes on compiled when they are gone', async () => {
    const engine = await machine(NESTED, 'region');
    assert.equal(engine.run(10_000), Exit.Budget);
    const before = engine.compiledInstructions;
    assert.ok(before > 5000);
    engine.setBreakpoints([BigInt(CODE + 15)]);
    for (let hit = 0; hit < 3; hit++) {
      assert.equal(engine.run(10_000), Exit.Breakpoint);
      assert.equal(engine.vcpu.rip, BigInt(CODE + 15));
    }
    engine.setBreakpoints([]);
    assert.equal(engine.run(10_000), Exit.Budget);
    assert.ok(engine.compiledInstructions > before + 5000);
  });

  it('stops after a watched access', async () => {
    const engine = await machine(NESTED, 'region');
    engine.run(5000);
    engine.setWatches([{ space: 'linear', address: BigInt(DATA), length: 8, access: 'write' }]);
    assert.equal(engine.run(10_000), Exit.Watchpoint);
    assert.equal(engine.lastWatch?.address, BigInt(DATA));
    assert.equal(engine.vcpu.rip, BigInt(CODE + 34));
  });

  it('is forgotten when a device writes to it', async () => {
    const engine = await machine(NESTED, 'region');
    engine.run(5000);
    // add rax, rdx becomes sub rax, rdx.
    engine.physicalWrite(CODE + 24, Buffer.from('4829d0', 'hex'));
    const generic = await machine(NESTED, 'generic');
    generic.run(5000);
    generic.physicalWrite(CODE + 24, Buffer.from('4829d0', 'hex'));
    assert.equal(engine.run(20_000), generic.run(20_000));
    assert.equal(state(engine), state(generic));
  });

  it('is not made in the generic tier', async () => {
    const engine = await machine(NESTED, 'generic');
    assert.equal(engine.run(1_000_000), Exit.Halt);
    assert.equal(engine.compiledInstructions, 0);
  });
});
