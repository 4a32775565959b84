/** Accesses by FS in compiled code: by any base, and only where the segment allows them. */
import assert from 'node:assert/strict';
import { Exit, type Tier } from '../../../../../emulator/engine/engine';
import * as layout from '../../../../../emulator/x86/layout';
import { bareEngine, DATA } from '../bare';

const [EAX, ECX, EBX] = [0, 1, 3];
const ROUNDS = 100;
const GENERAL_PROTECTION = 13;
/** Descriptor types in 4.B (SDM vol. 3, tables 3-1 and 6-1): present, 32-bit data. */
const DATA_SEGMENT = 0xc093;
const READ_ONLY = 0xc091;
const DOWNWARDS = 0xc097;
const READABLE_CODE = 0xc09b;
const UNUSABLE = 0x10000;

interface Segment {
  readonly base?: bigint;
  readonly limit?: number;
  readonly attributes?: number;
}

/** What a loop leaves behind whose body is `code`, in flat 32-bit code, EBX being the offset that it begins with. */
async function result(code: string, tier: Tier, { base = BigInt(DATA), limit = 0xffffffff, attributes = DATA_SEGMENT }: Segment, ebx: number) {
  // …; add ebx, 4; dec ecx; jnz; hlt
  const bytes = Buffer.from(`${code}83c30449`.replace(/\s/g, ''), 'hex');
  const engine = await bareEngine(bytes.toString('hex') + Buffer.from([0x75, 0x100 - bytes.length - 2, 0xf4]).toString('hex'), {}, tier);
  const { vcpu } = engine;
  vcpu.setU64(layout.CR0, 0x11n);
  vcpu.setU64(layout.EFER, 0n);
  vcpu.setSegment(layout.CS, { selector: 0x10, base: 0n, limit: 0xffffffff, attributes: 0xc09b });
  vcpu.setSegment(layout.FS, { selector: 0x20, base, limit, attributes });
  engine.physicalWrite(
    DATA,
    Uint8Array.from({ length: 0x2000 }, (_, i) => (i * 7) & 0xff),
  );
  vcpu.setGpr(ECX, BigInt(ROUNDS));
  vcpu.setGpr(EBX, BigInt(ebx >>> 0));
  engine.modeChanged();
  engine.flush();
  if (tier === 'region') vcpu.setU32(layout.HEAT_AT_FIRST, 3);
  // Without an interrupt table a fault ends in a shutdown.
  const exit = engine.run(10_000);
  return {
    exit,
    vector: exit === Exit.Halt ? undefined : vcpu.u32(layout.FAULT_VECTOR),
    registers: [EAX, ECX, EBX].map((register) => vcpu.gpr(register)),
    memory: Buffer.from(engine.ram.subarray(DATA, DATA + 0x2000)),
    count: engine.count(),
    compiled: engine.compiledInstructions,
  };
}

async function same(code: string, segment: Segment, ebx: number) {
  const { compiled, ...found } = await result(code, 'region', segment, ebx);
  const { compiled: none, ...expected } = await result(code, 'generic', segment, ebx);
  assert.deepEqual(found, expected);
  assert.equal(none, 0);
  return { ...found, share: compiled / found.count };
}

// add eax, fs:[ebx+8]; mov fs:[ebx+12], eax
const WORDS = '64 0343 08 64 8943 0c';
// add al, fs:[ebx]
const READS_BYTES = '64 0203';
// add eax, fs:[ebx]
const READS_WORDS = '64 0303';

describe('accesses by FS in compiled code', () => {
  it('are at the base of the segment and round the end of 4 GiB', async () => {
    const forwards = await same(WORDS, {}, 0x10);
    assert.equal(forwards.exit, Exit.Halt);
    assert.ok(forwards.share > 0.8);
    const backwards = await same(WORDS, { base: BigInt(DATA + 0x1000) }, -0x400);
    assert.equal(backwards.exit, Exit.Halt);
    assert.ok(backwards.share > 0.8);
  });

  for (const [what, code, segment, ebx, rounds] of [
    ['end at its limit', WORDS, { limit: 0xff }, 0, 61],
    ['end at 4 GiB, wherever its base is', READS_WORDS, { base: BigInt(DATA + 0x100) }, -0x12, 4],
    ['of bytes go on to the last one', READS_BYTES, { base: BigInt(DATA + 0x1000) }, -0x11, undefined],
    ['only read what may be read only', WORDS, { attributes: READ_ONLY }, 0, 0],
    ['are above the limit of one that grows downwards', READS_WORDS, { limit: 0xfff, attributes: DOWNWARDS, base: BigInt(DATA - 0x800) }, 0x1000, undefined],
    ['read code', READS_WORDS, { attributes: READABLE_CODE }, 0, undefined],
    ['are none where it is not usable', READS_WORDS, { attributes: UNUSABLE }, 0, 0],
  ] as const)
    it(what, async () => {
      const { exit, vector, registers } = await same(code, segment, ebx);
      assert.equal(registers[1], BigInt(rounds === undefined ? 0 : ROUNDS - rounds));
      if (rounds === undefined) assert.equal(exit, Exit.Halt);
      else assert.equal(vector, GENERAL_PROTECTION);
    });
});
