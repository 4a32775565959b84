/** The interpreter and compiled code side by side: the same program in the same slices, compared wherever they stop. */
import assert from 'node:assert/strict';
import { Exit, type Tier } from '../../../../../emulator/engine/engine';
import type { WasmEngine } from '../../../../../emulator/engine/wasm-engine';
import { toRflags } from '../../../../../emulator/x86/flags';
import * as layout from '../../../../../emulator/x86/layout';
import { Random } from '../../../../oracle/random';
import { float32, float64, integer } from '../../../../oracle/values';
import { bareEngine, CODE, DATA, STACK } from '../bare';
import { ProgramMaker } from './programs';

const [PT, GDT, IDT, HANDLER] = [0x5000, 0x6000, 0x7000, 0x8000];
/** Pages that become known late: those of LATE are spread over FRAMES, some of them twice, some read-only or absent. */
const [LATE, FRAMES, FRAME_COUNT] = [0x400000, 0x800000, 24];
const DATA_SIZE = 0x8000;
const PAGE = 0x1000;
/** Of instructions. */
const MOST = 1500;

/** #PF: the page's entry becomes present and writable. */
const MAP = `
  50                      push rax
  0f20d0                  mov rax, cr2
  48c1e80c                shr rax, 12
  25ff010000              and eax, 511
  800cc50050000003        or byte [rax*8 + PT], 3
  58                      pop rax
  4883c408                add rsp, 8
  48cf                    iretq`;

const hex = (listing: string): Buffer => Buffer.from(listing.trim().split('\n').map((line) => line.trim().split(/\s{2,}/)[0]!).join(''), 'hex'); // prettier-ignore
const words = (...values: bigint[]): Uint8Array => new Uint8Array(BigUint64Array.from(values).buffer);

/** What programs may overwrite. */
function tables(engine: WasmEngine): void {
  engine.physicalWrite(0x1000, words(0x2007n));
  engine.physicalWrite(0x2000, words(0x3007n));
  const large = Array.from({ length: 16 }, (_, i) => (BigInt(i) << 21n) | 0x87n);
  large[LATE >> 21] = BigInt(PT) | 7n;
  engine.physicalWrite(0x3000, words(...large));
  engine.physicalWrite(GDT, words(0n, 0n, 0x00af9b000000ffffn, 0x00cf93000000ffffn));
  engine.physicalWrite(IDT + 14 * 16, words(BigInt(HANDLER) | 0x8e0000100000n, 0n));
  engine.physicalWrite(HANDLER, hex(MAP));
}

async function machine(tier: Tier): Promise<WasmEngine> {
  const engine = await bareEngine('f4', {}, tier);
  engine.setTime(4, 123456789);
  const { vcpu } = engine;
  vcpu.setU64(layout.GDTR_BASE, BigInt(GDT));
  vcpu.setU32(layout.GDTR_LIMIT, 0x1f);
  vcpu.setU64(layout.IDTR_BASE, BigInt(IDT));
  vcpu.setU32(layout.IDTR_LIMIT, 0xfff);
  return engine;
}

interface Scene {
  readonly origin: number;
  readonly program: Uint8Array;
  readonly registers: readonly bigint[];
  readonly vectors: readonly bigint[];
  readonly flags: bigint;
  readonly mxcsr: number;
  readonly entries: Uint8Array;
  readonly data: Uint8Array;
  /** Entries of a block before it is compiled. */
  readonly heat: number;
}

function pair(random: Random): bigint {
  const kind = random.below(6);
  if (kind < 2) return (BigInt(float32(random)) << 32n) | BigInt(float32(random));
  if (kind < 4) return float64(random);
  return kind === 4 ? 0x3ff0000000000000n + BigInt(random.u32()) : 0x3f8000003f800000n + (BigInt(random.u32() & 0x7fffff) << 32n);
}

function makeScene(random: Random): Scene {
  // Now and then the code lies in two pages.
  const origin = CODE + random.pick([0, 0x100, 0xe80, 0xf80]);
  const program = new ProgramMaker(random, origin).make();
  const end = origin + program.length;
  const pointer = (): bigint => {
    const near = random.pick([0, 8, 0x7f0, 0xfe0, 0xff4, 0xffe]);
    const page = random.pick([LATE + 0x4000, LATE + PAGE * random.between(4, 40), LATE + PAGE * random.between(4, 40), DATA + 0x2000, end & -PAGE]);
    return BigInt(page === (end & -PAGE) ? end + 16 + random.below(64) : page + near);
  };
  const registers = Array.from({ length: 16 }, () => (random.chance(50) ? BigInt(random.below(24)) : integer(random)));
  for (const register of [6, 7, 8]) registers[register] = pointer();
  // Near a page's end, and not always aligned.
  registers[4] = BigInt(STACK + random.pick([0, 0, 8, 16, 4, 12, -8, -100]));
  const data = new Uint8Array(DATA_SIZE);
  const view = new DataView(data.buffer);
  for (let at = 0; at < DATA_SIZE; at += 8) view.setBigUint64(at, at % 64 ? pair(random) : integer(random), true);
  const frames = Array.from({ length: 512 }, () => BigInt(FRAMES + PAGE * random.below(FRAME_COUNT)) | random.pick([3n, 3n, 1n, 0n]));
  return {
    origin,
    program,
    registers,
    vectors: Array.from({ length: 16 }, () => pair(random)),
    flags: random.u64() & 0x8d5n,
    mxcsr: random.pick([0x1fa0, 0x1fa0, 0x1f80, 0x1fbf, 0x3fa0, 0x9fe0]),
    entries: words(...frames),
    data,
    heat: random.pick([0, 1, 2, 3, 5]),
  };
}

function prepare(engine: WasmEngine, scene: Scene, compiles: boolean): void {
  const { vcpu } = engine;
  tables(engine);
  engine.physicalWrite(CODE, new Uint8Array(2 * PAGE));
  engine.physicalWrite(scene.origin, scene.program);
  engine.physicalWrite(PT, scene.entries);
  engine.physicalWrite(DATA, scene.data);
  engine.physicalWrite(STACK - 2 * PAGE, new Uint8Array(3 * PAGE));
  for (let frame = 0; frame < FRAME_COUNT; frame++)
    engine.physicalWrite(FRAMES + frame * PAGE, scene.data.subarray((frame & 7) * PAGE, ((frame & 7) + 1) * PAGE));
  scene.registers.forEach((value, i) => vcpu.setGpr(i, value));
  scene.vectors.forEach((value, i) => vcpu.setU64(layout.XMM + i * 8, value));
  vcpu.rflags = scene.flags | 2n;
  vcpu.setU32(layout.MXCSR, scene.mxcsr);
  vcpu.setU32(layout.ACTIVITY, 0);
  vcpu.rip = BigInt(scene.origin);
  if (compiles) vcpu.setU32(layout.HEAT_AT_FIRST, scene.heat);
  engine.setCount(0);
  engine.modeChanged();
  engine.flush();
}

const NAMES = [
  'rip',
  'rflags',
  'mxcsr',
  'raw result',
  'raw carries',
  ...Array.from({ length: 16 }, (_, i) => `r${i}`),
  ...Array.from({ length: 16 }, (_, i) => `xmm${i >> 1}.${i & 1}`),
];

function state({ vcpu }: WasmEngine): bigint[] {
  const [result, carries] = [vcpu.u64(layout.FLAG_RESULT), vcpu.u64(layout.FLAG_CARRIES)];
  const vectors = Array.from({ length: 16 }, (_, i) => vcpu.u64(layout.XMM + i * 8));
  return [
    vcpu.rip,
    toRflags(result, carries),
    BigInt(vcpu.u32(layout.MXCSR)),
    result,
    carries,
    ...Array.from({ length: 16 }, (_, i) => vcpu.gpr(i)),
    ...vectors,
  ];
}

function difference(one: WasmEngine, other: WasmEngine): string {
  const [a, b] = [state(one), state(other)];
  return NAMES.flatMap((name, i) => (a[i] === b[i] ? [] : [`${name} ${a[i]!.toString(16)} ${b[i]!.toString(16)}`])).join('; ');
}

export class Twins {
  private constructor(
    private readonly generic: WasmEngine,
    private readonly region: WasmEngine,
  ) {}
  static async start(): Promise<Twins> {
    return new Twins(await machine('generic'), await machine('region'));
  }

  /** Of all programs. */
  instructions = 0;
  get compiled(): number {
    return this.region.compiledInstructions;
  }

  /** Runs the program of a seed in both. */
  run(seed: number): void {
    const random = new Random(seed);
    const scene = makeScene(random);
    const { generic, region } = this;
    prepare(generic, scene, false);
    prepare(region, scene, true);
    for (let stop = 0; ; stop++) {
      const slice = random.pick([random.below(40), random.below(700), MOST]);
      const exits = [generic.run(slice), region.run(slice)];
      const where = `program ${seed}, stop ${stop} at ${generic.count()} (of the code: ${(Number(generic.vcpu.rip) - scene.origin).toString(16)})`;
      assert.equal(exits[1], exits[0], where);
      assert.equal(region.count(), generic.count(), where);
      assert.equal(difference(generic, region), '', `${where}: interpreter, compiled`);
      if (exits[0] !== Exit.Budget || generic.count() > MOST) break;
    }
    this.instructions += generic.count();
    for (const [at, size] of [
      [CODE, 2 * PAGE],
      [PT, PAGE],
      [DATA, DATA_SIZE],
      [STACK - 2 * PAGE, 3 * PAGE],
      [FRAMES, FRAME_COUNT * PAGE],
    ] as const) {
      const [a, b] = [new Uint8Array(size), new Uint8Array(size)];
      generic.physicalRead(at, a);
      region.physicalRead(at, b);
      const first = Buffer.compare(a, b) && a.findIndex((byte, i) => byte !== b[i]);
      assert.equal(first, 0, `program ${seed}: memory differs at ${(at + first).toString(16)}`);
    }
  }
}
