/** Accesses near each other, which compiled code looks up at once: where they are not where the first lets expect. */
import assert from 'node:assert/strict';
import { Exit, type Tier } from '../../../../../emulator/engine/engine';
import * as layout from '../../../../../emulator/x86/layout';
import { bareEngine, CODE } from '../bare';
import { Assembler, type Label } from './assembler';
import { makeHot } from './hot';

const [RAX, RCX, RBX, RSI, RDI, R13] = [0, 1, 3, 6, 7, 13];
const NZ = 5;
const [PT, WINDOW, FRAMES, PAGE] = [0x5000, 0x400000, 0x800000, 0x1000];
const ROUNDS = 40;
const words = (...values: bigint[]): Uint8Array => new Uint8Array(BigUint64Array.from(values).buffer);

interface Result {
  readonly registers: readonly bigint[];
  readonly memory: Buffer;
  /** Page-table entries, which tell what was written. */
  readonly entries: Buffer;
  readonly count: number;
  readonly compiled: number;
}

/** How RSI and RDI go on in each round. A loop that they leap in keeps no translation. */
type Going = 'leaping' | 'stepping' | 'page by page';
const STEP: Readonly<Record<Going, number>> = { leaping: 0, stepping: 24, 'page by page': PAGE };

/** A loop over `body`, where RSI is near the end of the first of two pages that lie apart, and RDI in its middle. */
async function result(body: (code: Assembler) => void, tier: Tier, rsi: number, going: Going): Promise<Result> {
  const code = new Assembler(CODE);
  const start: Label = {};
  code.moveImmediate(R13, ROUNDS);
  // The TLB knows all pages, for reading.
  for (let page = 0; page < ROUNDS; page++) code.load(64, RAX, { base: RSI, displacement: page * PAGE });
  code.bind(start);
  body(code);
  for (const register of [RSI, RDI])
    if (going === 'leaping') code.op(64, [0x87], register, register);
    else code.aluImmediate('add', 64, register, STEP[going]);
  code.aluImmediate('sub', 64, R13, 1);
  code.jcc(NZ, start);
  code.emit(0xf4);
  const engine = await bareEngine(Buffer.from(code.finish()).toString('hex'), {}, tier);
  engine.physicalWrite(0x3000 + (WINDOW >> 21) * 8, words(BigInt(PT) | 7n));
  engine.physicalWrite(PT, words(...Array.from({ length: 2 * ROUNDS }, (_, page) => BigInt(FRAMES + (page % 2 ? 0 : 3) * PAGE) | 7n)));
  for (let frame = 0; frame < 4; frame++)
    engine.physicalWrite(
      FRAMES + frame * PAGE,
      Uint8Array.from({ length: PAGE }, (_, i) => (i * 3 + frame * 101) & 0xff),
    );
  engine.flush();
  const { vcpu } = engine;
  vcpu.setGpr(RSI, BigInt(rsi));
  vcpu.setGpr(RDI, BigInt(WINDOW + 0x800));
  if (tier === 'region') {
    // Both ways of a branch have run when the loop is compiled.
    vcpu.setU32(layout.HEAT_AT_FIRST, ROUNDS);
    assert.equal(engine.run(ROUNDS + 100), Exit.Budget);
    makeHot(vcpu);
  }
  assert.equal(engine.run(10_000), Exit.Halt);
  return {
    registers: [RAX, RCX, RBX, RSI, RDI].map((register) => vcpu.gpr(register)),
    entries: Buffer.from(engine.ram.subarray(PT, PT + PAGE)),
    memory: Buffer.from(engine.ram.subarray(FRAMES, FRAMES + 4 * PAGE)),
    count: engine.count(),
    compiled: engine.compiledInstructions,
  };
}

async function same(body: (code: Assembler) => void, rsi = WINDOW + 0x100, going: Going = 'leaping'): Promise<number> {
  const { compiled, ...found } = await result(body, 'region', rsi, going);
  const { compiled: none, ...expected } = await result(body, 'generic', rsi, going);
  assert.deepEqual(found, expected);
  assert.equal(none, 0);
  return compiled / found.count;
}

/** RBX: a history of what was read. */
function note(code: Assembler, base: number, displacement: number): void {
  code.load(64, RAX, { base, displacement });
  code.op(64, [0x6b], RBX, RBX, { immediate: [3] });
  code.alu('add', 64, RBX, RAX);
}

describe('accesses near each other', () => {
  const body = (code: Assembler): void => {
    note(code, RSI, 8);
    code.alu('add', 32, { base: RSI, displacement: 0 }, RBX);
    note(code, RSI, -8);
    code.move(16, { base: RSI, displacement: 14 }, RBX);
  };

  it('are run compiled where they lie in one page', async () => assert.ok((await same(body)) > 0.5));

  const reads = (code: Assembler): void => {
    note(code, RSI, 8);
    note(code, RSI, 12);
    note(code, RSI, -8);
  };
  for (const at of [-20, -16, -15, -8, -1, 0, 1, 7, 8, 9])
    it(`are where they belong, ${at} bytes from a page that lies elsewhere`, async () => {
      await same(body, WINDOW + PAGE + at);
      await same(reads, WINDOW + PAGE + at);
    });

  it('are run compiled where their page is the one of the round before', async () => assert.ok((await same(body, WINDOW + 0x100, 'stepping')) > 0.6));
  for (const going of ['stepping', 'page by page'] as const)
    for (const at of [-900, -400, -64, -20, -16, -8, 0, 8])
      it(`are where they belong, ${going} from ${at} bytes before or behind a page that lies elsewhere`, async () => {
        await same(body, WINDOW + PAGE + at, going);
        await same(reads, WINDOW + PAGE + at, going);
      });

  /** Two ways in turn, of which `one` and `other` are the code, by R13. */
  const ways = (one: (code: Assembler) => void, other: (code: Assembler) => void) => (code: Assembler) => {
    const [elsewhere, joined]: Label[] = [{}, {}];
    note(code, RSI, 0);
    note(code, RSI, 8);
    code.aluImmediate('test', 32, R13, 1);
    code.jcc(NZ, elsewhere!);
    one(code);
    code.jump(joined!);
    code.bind(elsewhere!);
    other(code);
    // A block of its own follows.
    code.jump(joined!);
    code.bind(joined!);
    note(code, RDI, 12);
  };
  for (const going of ['leaping', 'stepping', 'page by page'] as const) {
    it(`are known behind a branch, ${going}`, async () => {
      const near = (code: Assembler): void => note(code, RSI, 4);
      assert.ok((await same(ways(near, near), WINDOW + 0x100, going)) > 0.5);
    });
    it(`are not known on the other way, ${going}`, async () => {
      const spanning = (code: Assembler): void => {
        note(code, RDI, 0);
        note(code, RDI, 16);
      };
      await same(
        ways(spanning, (code) => note(code, RDI, 8)),
        WINDOW + 0x100,
        going,
      );
      await same(
        ways((code) => note(code, RDI, 8), spanning),
        WINDOW + 0x100,
        going,
      );
    });
  }

  it('are looked up again when their register has changed, whatever changed it', async () => {
    await same(
      (code) => {
        note(code, RSI, 0);
        code.op(64, [0x87], RSI, RDI); // xchg, which names RDI first
        note(code, RSI, 8);
        code.op(64, [0x87], RSI, RDI);
        note(code, RSI, 4);
      },
      WINDOW + PAGE + 0x10,
    );
  });

  it('tell what is read from what is written', async () => {
    await same((code) => {
      note(code, RSI, 0);
      note(code, RSI, 8);
      code.op(32, [0x0f, 0xc1], RBX, { base: RSI, displacement: 4 }); // xadd
      code.lea(RSI, { base: RSI, displacement: PAGE });
    });
  });
});
