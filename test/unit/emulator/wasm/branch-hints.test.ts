/** The section of branch hints, read again with a reader of its own. */
import assert from 'node:assert/strict';
import { setFlagsFromString } from 'node:v8';
import { i32, i64c } from '../../../../emulator/wasm/expr';
import type { FunctionBuilder, Local } from '../../../../emulator/wasm/function';
import { ModuleBuilder } from '../../../../emulator/wasm/module';

const NAME = 'metadata.code.branch_hint';
const [CUSTOM, CODE] = [0, 10];
const [IF, BR_IF] = [0x04, 0x0d];

class Reader {
  at = 0;
  constructor(readonly bytes: Uint8Array) {}
  get more(): boolean {
    return this.at < this.bytes.length;
  }
  byte(): number {
    return this.bytes[this.at++]!;
  }
  unsigned(): number {
    for (let value = 0, shift = 0; ; shift += 7) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** shift;
      if (!(byte & 0x80)) return value;
    }
  }
  take(length: number): Reader {
    const part = new Reader(this.bytes.subarray(this.at, this.at + length));
    this.at += length;
    return part;
  }
  sized(): Reader {
    return this.take(this.unsigned());
  }
}

/** Hints by the index of their function, and the functions' bodies with their locals: offsets count from there. */
function read(module: Uint8Array): { hints: Map<number, number[]>; bodies: Uint8Array[]; sections: string[] } {
  const hints = new Map<number, number[]>();
  const bodies: Uint8Array[] = [];
  const sections: string[] = [];
  const reader = new Reader(module.subarray(8));
  while (reader.more) {
    const id = reader.byte();
    const content = reader.sized();
    const name = id === CUSTOM ? Buffer.from(content.sized().bytes).toString() : String(id);
    sections.push(name);
    if (name === NAME)
      for (let functions = content.unsigned(); functions > 0; functions--) {
        const index = content.unsigned();
        assert.ok(!hints.has(index) && [...hints.keys()].every((other) => other < index), 'functions in order, each once');
        const places: number[] = [];
        for (let n = content.unsigned(); n > 0; n--) {
          places.push(content.unsigned());
          assert.deepEqual([content.byte(), content.byte()], [1, 0], 'unlikely');
        }
        hints.set(index, places);
      }
    if (id === CODE) for (let n = content.unsigned(); n > 0; n--) bodies.push(content.sized().bytes);
    if (name === NAME || id === CODE) assert.equal(content.more, false);
  }
  return { hints, bodies, sections };
}

/** Counts down from its parameter; some of its branches are hinted. In `i32.const` no byte is that of a branch. */
function countDown(f: FunctionBuilder, n: Local<'i32'>, sum: Local<'i32'>): void {
  f.block((end) =>
    f.loop((again) => {
      f.brIf(end, i32.eqz(f.get(n)), true);
      f.set(sum, i32.add(f.get(sum), f.get(n)));
      f.unlikely(i32.gtU(f.get(sum), i32.const(1000)), () => f.return(i32.const(-1)));
      f.set(n, i32.sub(f.get(n), i32.const(1)));
      f.brIf(again, i32.const(1));
    }),
  );
}

function build(imports: number, inFragment: boolean): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  for (let n = 0; n < imports; n++) module.importFunction('host', `unused ${n}`, [], []);
  module.function('no branch', [], ['i32'], (f) => f.return(i32.const(7)));
  const count = module.function('count', ['i32'], ['i32'], (f) => {
    const [n, sum] = [f.param(0, 'i32'), f.lasting('i32')];
    if (!inFragment) countDown(f, n, sum);
    else {
      // Fragments in a fragment; what goes before it, and more locals, shift its offsets.
      const outer = f.fragment(() => {
        f.unlikely(i32.eq(f.get(n), i32.const(77)), () => f.return(i32.const(-2)));
        const inner = f.fragment(() => countDown(f, n, sum));
        f.set(f.lasting('i64'), i64c(1n << 40n));
        f.append(inner);
      });
      f.unlikely(i32.eq(f.get(n), i32.const(99)), () => f.return(i32.const(-3)));
      for (let i = 0; i < 40; i++) f.set(f.lasting('i32'), i32.const(1_000_000 + i));
      f.append(outer);
    }
    f.return(f.get(sum));
  });
  module.export('count', count);
  return module.finish();
}

const IMPORTS = { host: { 'unused 0': () => undefined, 'unused 1': () => undefined } };

describe('branch hints', () => {
  for (const [what, imports, inFragment, expected] of [
    ['of a function', 0, false, 2],
    ['behind imports', 2, false, 2],
    ['in fragments of fragments', 2, true, 4],
  ] as const)
    it(`${what}: each offset is that of a branch`, () => {
      const { hints, bodies, sections } = read(build(imports, inFragment));
      assert.deepEqual([...hints.keys()], [imports + 1], 'of the function that has branches, counting imports');
      const places = hints.get(imports + 1)!;
      const opcodes = places.map((at) => bodies[1]![at]);
      assert.equal(places.length, expected);
      assert.ok(
        places.every((at, i) => i === 0 || at > places[i - 1]!),
        'in order',
      );
      // `eqz` goes before the first of a loop, `gt_u` before the other.
      assert.deepEqual(opcodes.slice(-2), [BR_IF, IF]);
      assert.deepEqual(
        places.slice(-2).map((at) => bodies[1]![at - 1]),
        [0x45, 0x4b],
      );
      if (inFragment) {
        assert.deepEqual(opcodes.slice(0, 2), [IF, IF]);
        assert.deepEqual(
          places.slice(0, 2).map((at) => bodies[1]![at - 1]),
          [0x46, 0x46],
        );
      }
      assert.ok(sections.indexOf(NAME) < sections.indexOf(String(CODE)), 'the section goes before the code');
    });

  it('are left out where there are none', () => {
    const module = new ModuleBuilder();
    module.export(
      'seven',
      module.function('seven', [], ['i32'], (f) => f.return(i32.const(7))),
    );
    assert.ok(!read(module.finish()).sections.includes(NAME));
  });

  it('change no result, whether the host knows them or not', () => {
    const run = (inFragment: boolean): number[] => {
      const { exports } = new WebAssembly.Instance(new WebAssembly.Module(build(2, inFragment)), IMPORTS);
      return [0, 5, 44, 45, 77, 99].map((n) => (exports['count'] as (n: number) => number)(n));
    };
    for (const flag of ['--no-experimental-wasm-branch-hinting', '--experimental-wasm-branch-hinting']) {
      setFlagsFromString(flag);
      assert.deepEqual(run(false), [0, 15, 990, -1, -1, -1], flag);
      assert.deepEqual(run(true), [0, 15, 990, -1, -2, -3], flag);
    }
  });
});
