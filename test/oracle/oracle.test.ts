import assert from 'node:assert/strict';
import { defaultFx, FX } from './fxstate';
import { hostName } from './hostcpu';
import { CODE, DATA, DATA_SIZE, LOW, PAGE, STACK, STACK_SIZE } from './layout';
import { endOf, Oracle, oracleUnavailable, timedOut, type OracleCase, type OracleResult } from './oracle';

const STATUS = 0x8d5; // CF PF AF ZF SF OF

const RAX = 0;
const RCX = 1;
const RDX = 2;
const RBX = 3;
const RSP = 4;

function oracleCase(code: readonly number[], change: Partial<OracleCase> = {}): OracleCase {
  const registers = new BigUint64Array(16);
  registers[RSP] = BigInt(STACK + PAGE);
  return {
    ...{ mode: 64, code: Uint8Array.from(code), codeOffset: 0, registers, rflags: 2, fsBase: 0n, gsBase: 0n },
    ...{ fx: defaultFx(), patches: [] },
    ...change,
  };
}

/** Registers by number; the rest zero, RSP in the middle of the stack. */
function registers(values: Readonly<Record<number, bigint>>): BigUint64Array {
  const all = oracleCase([]).registers.slice();
  for (const [index, value] of Object.entries(values)) all[Number(index)] = value;
  return all;
}

describe('the processor as oracle', function () {
  let oracle: Oracle;
  before(async function () {
    const reason = oracleUnavailable();
    if (reason) {
      console.log(`      skipped: ${reason}`);
      this.skip();
    }
    oracle = await Oracle.start();
    const data = Uint8Array.from({ length: DATA_SIZE }, (_, index) => index & 0xff);
    oracle.setMemory(data, new Uint8Array(STACK_SIZE));
  });
  after(() => oracle?.stop());

  const run = async (code: readonly number[], change: Partial<OracleCase> = {}) => {
    const one = oracleCase(code, change);
    const [result] = await oracle.run([one]);
    assert.ok(result);
    return { ...readOut(result), finished: result.trap === 3 && result.rip === endOf(one) };
  };

  it('knows the processor', () => {
    assert.ok(oracle.features.has('sse2'));
    assert.ok(hostName(oracle.cpuid).length > 0);
    assert.equal(oracle.mxcsrMask & 0xffbf, 0xffbf);
  });

  it('adds, with flags', async () => {
    const result = await run([0x48, 0x01, 0xc8], {
      registers: registers({ [RAX]: (1n << 63n) - 1n, [RCX]: 1n }),
    });
    assert.ok(result.finished);
    assert.equal(result.registers[RAX], 1n << 63n);
    assert.equal(result.rflags & STATUS, 0x894); // OF SF AF PF
  });

  it('passes flags in, DF included', async () => {
    const result = await run([0x48, 0x11, 0xc8, 0xfc], { rflags: 0x401 }); // adc rax, rcx; cld
    assert.equal(result.registers[RAX], 1n);
    assert.equal(result.rflags & 0x400, 0);
    assert.equal((await run([0x90], { rflags: 0x403 })).rflags & 0x401, 0x401);
  });

  it('reports changed memory, and puts it back', async () => {
    const store = [0x48, 0x89, 0x03]; // mov [rbx], rax
    const change = { registers: registers({ [RAX]: 0x1122334455667788n, [RBX]: BigInt(DATA + 0x104) }) };
    for (let i = 0; i < 2; i++) {
      const { changes } = await run(store, change);
      assert.equal(changes.length, 1);
      assert.equal(changes[0]?.address, DATA + 0x100);
      const bytes = [0, 1, 2, 3, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 0xc, 0xd, 0xe, 0xf];
      assert.deepEqual([...(changes[0]?.bytes ?? [])], bytes);
    }
    assert.deepEqual((await run([0x90])).changes, []);
  });

  it('takes patches for one case only', async () => {
    const load = [0x8b, 0x03]; // mov eax, [rbx]
    const where = { registers: registers({ [RBX]: BigInt(DATA + 8) }) };
    const patches = [{ address: DATA + 9, bytes: Uint8Array.of(0xaa, 0xbb) }];
    assert.equal((await run(load, { ...where, patches })).registers[RAX], 0x0bbbaa08n);
    assert.equal((await run(load, where)).registers[RAX], 0x0b0a0908n);
  });

  it('runs with any stack pointer', async () => {
    const pushed = await run([0x50], { registers: registers({ [RAX]: 7n }) });
    assert.equal(pushed.registers[RSP], BigInt(STACK + PAGE - 8));
    assert.equal(pushed.changes[0]?.address, STACK + PAGE - 8);
    const odd = await run([0x48, 0x01, 0xe4], { registers: registers({ [RSP]: 0x8000000000000123n }) });
    assert.equal(odd.registers[RSP], 0x246n); // add rsp, rsp
  });

  it('divides by zero and overflows', async () => {
    for (const divisor of [0n, 1n]) {
      const one = { registers: registers({ [RAX]: 5n, [RDX]: 3n, [RCX]: divisor }) };
      const result = await run([0x48, 0xf7, 0xf1], one); // div rcx
      assert.deepEqual([result.trap, result.finished, result.rip], [0, false, BigInt(CODE)]);
      assert.equal(result.registers[RAX], 5n);
    }
  });

  it('gives page faults with error code and address', async () => {
    const access = async (code: number[], address: number) => {
      const result = await run(code, { registers: registers({ [RBX]: BigInt(address) }) });
      return [result.trap, result.errorCode, Number(result.cr2)];
    };
    const load = [0x48, 0x8b, 0x03];
    const store = [0x48, 0x89, 0x03];
    assert.deepEqual(await access(load, DATA + DATA_SIZE - 4), [14, 4, DATA + DATA_SIZE]);
    assert.deepEqual(await access(store, DATA + DATA_SIZE - 4), [14, 7, DATA + DATA_SIZE - 4]);
    assert.deepEqual(await access(store, DATA - 4), [14, 6, DATA - 4]);
    assert.deepEqual(await access(store, DATA + 2 * PAGE), [14, 7, DATA + 2 * PAGE]);
    assert.deepEqual(await access(store, CODE), [14, 7, CODE]);
    assert.equal((await run(load, { registers: registers({ [RBX]: 1n << 60n }) })).trap, 13);
  });

  it('faults where code runs off its page', async () => {
    const result = await run([0x48, 0xff], { codeOffset: PAGE - 2 });
    assert.equal(result.trap, 14);
    assert.equal(result.errorCode & ~0x10, 4); // a fetch, where the processor says so
    assert.equal(result.cr2, BigInt(CODE + PAGE));
    assert.equal(result.rip, BigInt(CODE + PAGE - 2));
  });

  it('knows invalid opcodes', async () => {
    assert.equal((await run([0x0f, 0x0b])).trap, 6);
    assert.equal((await run([0xf0, 0x01, 0xc8])).trap, 6); // lock add eax, ecx
  });

  it('carries x87 and SSE state both ways', async () => {
    const fx = defaultFx();
    const view = new DataView(fx.buffer);
    view.setFloat64(FX.xmm, 1.5, true);
    view.setFloat64(FX.xmm + 16, 2.25, true);
    const sum = await run([0xf2, 0x0f, 0x58, 0xc1, 0xd9, 0xe8], { fx }); // addsd xmm0, xmm1; fld1
    const after = new DataView(sum.fx.buffer, sum.fx.byteOffset, sum.fx.length);
    assert.equal(after.getFloat64(FX.xmm, true), 3.75);
    assert.equal((after.getUint16(FX.fsw, true) >> 11) & 7, 7); // TOP
    assert.equal(after.getUint8(FX.ftw), 0x80);
    assert.equal(after.getBigUint64(FX.st, true), 1n << 63n);
    assert.equal(after.getUint16(FX.st + 8, true), 0x3fff);
    const next = await run([0x90]);
    assert.deepEqual([...next.fx.subarray(160, 192)], new Array(32).fill(0));
  });

  it('reports floating-point exceptions', async () => {
    const fx = defaultFx();
    new DataView(fx.buffer).setUint32(FX.mxcsr, 0, true);
    assert.equal((await run([0xf2, 0x0f, 0x5e, 0xc0], { fx })).trap, 19); // divsd xmm0, xmm0: 0/0
    const x87 = defaultFx();
    new DataView(x87.buffer).setUint16(FX.fcw, 0x37e, true);
    assert.equal((await run([0xd9, 0xc0, 0x9b], { fx: x87 })).trap, 16); // fld st0 of an empty stack; wait
    assert.ok((await run([0xd9, 0xe8, 0x9b])).finished);
  });

  it('runs 32-bit code', async () => {
    const pushes = await run([0x40, 0x68, 0x78, 0x56, 0x34, 0x12], { mode: 32 }); // inc eax; push 0x12345678
    assert.ok(pushes.finished);
    assert.equal(pushes.selectors.cs, 0x23);
    assert.equal(pushes.registers[RAX], 1n);
    assert.equal(pushes.registers[RSP], BigInt(STACK + PAGE - 4));
    const load = await run([0x8b, 0x1d, ...littleEndian(DATA + 4)], { mode: 32 }); // mov ebx, [DATA + 4]
    assert.equal(load.registers[RBX], 0x07060504n);
    const low = await run([0x67, 0xa0, ...littleEndian(LOW + 5).slice(0, 2)], { mode: 32 }); // mov al, [LOW + 5]
    assert.equal(low.registers[RAX], 5n);
    const daa = await run([0x27], { mode: 32, registers: registers({ [RAX]: 0x0fn }) });
    assert.equal(daa.registers[RAX], 0x15n);
    const guard = await run([0xa1, ...littleEndian(DATA + DATA_SIZE)], { mode: 32 });
    assert.deepEqual([guard.trap, guard.errorCode, guard.cr2], [14, 4, BigInt(DATA + DATA_SIZE)]);
    assert.equal((await run([0x06], { mode: 32 })).changes[0]?.bytes[4], 0x2b); // push es
  });

  it('loads FS and GS bases, and shows selectors', async () => {
    const load = [0x64, 0x8b, 0x03, 0x65, 0x8b, 0x0b]; // mov eax, fs:[rbx]; mov ecx, gs:[rbx]
    const change = { registers: registers({ [RBX]: 4n }), fsBase: BigInt(DATA), gsBase: BigInt(DATA + 8) };
    const result = await run(load, change);
    assert.deepEqual([...result.registers.slice(0, 2)], [0x07060504n, 0x0f0e0d0cn]);
    const null32 = await run([0x31, 0xc0, 0x8e, 0xe0, 0x64, 0xa1, ...littleEndian(DATA)], { mode: 32 });
    assert.deepEqual([null32.trap, null32.selectors.fs], [13, 0]); // mov fs, 0; mov eax, fs:[DATA]
    assert.ok((await run([0x90])).finished);
  });

  it('ends endless loops', async () => {
    const loop = await run([0xeb, 0xfe]);
    assert.ok(timedOut(loop));
    assert.equal(loop.rip, BigInt(CODE));
    assert.ok((await run([0x90])).finished);
  }).timeout(5000);

  it('survives flags that outlive a case: AC, NT, TF', async () => {
    const push = (flags: number) => [0x68, ...littleEndian(flags), 0x9d];
    assert.equal((await run([...push(0x40002), 0x8b, 0x43, 0x01], { registers: registers({ [RBX]: BigInt(DATA) }) })).trap, 17);
    assert.ok((await run(push(0x4002))).finished); // NT
    const single = await run([...push(0x102), 0x90, 0x90]);
    assert.deepEqual([single.trap, single.rip], [1, BigInt(CODE + 7)]);
    assert.equal((await run([0x90])).rflags & 0x44100, 0);
  });

  it('takes thousands of cases at a time, quickly', async () => {
    const cases = Array.from({ length: 20_000 }, (_, index) =>
      oracleCase([0x48, 0x83, 0xc0, index & 0x7f], { registers: registers({ [RAX]: BigInt(index) }) }),
    );
    const start = process.hrtime.bigint();
    const results = await oracle.run(cases);
    const micros = Number(process.hrtime.bigint() - start) / 1000 / cases.length;
    results.forEach((result, index) => assert.equal(result.registers[RAX], BigInt(index + (index & 0x7f))));
    console.log(`      ${micros.toFixed(1)} µs a case`);
    assert.ok(micros < 100);
  }).timeout(10_000);
});

/** The getters' values, to be spread. */
function readOut(result: OracleResult): OracleResult {
  const { signal, trap, errorCode, cr2, rip, rflags, registers: gpr, selectors, fx, changes } = result;
  return { signal, trap, errorCode, cr2, rip, rflags, registers: gpr, selectors, fx, changes };
}

function littleEndian(value: number): number[] {
  return [value & 0xff, (value >> 8) & 0xff, (value >> 16) & 0xff, value >>> 24];
}
