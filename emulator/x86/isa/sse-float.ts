import { f32, i32, i64, i64c, select, type I32, type I64, type V128 } from '../../wasm/expr';
import { bits128 } from '../../wasm/simd';
import { define, type Definition, type Meaning } from '../definition';
import type { Stage } from '../stage';
import {
  binary,
  compute,
  everyLane,
  laneOf,
  lanesOf,
  ofSource,
  packedFloat,
  replaceLane,
  scalarFloat,
  withExceptions,
  type Lane,
  type Precision,
} from './float-operands';
import { packedQuick, quickOrder, scalarQuick, type Native } from './float-quick';
import { byteImmediate, everyOther, packed, setCarryParityZero, source, unaligned } from './vector-operands';

/** Mandatory prefixes: packed single, packed double, scalar single, scalar double. */
const FORMS: readonly (readonly [prefix: string, suffix: string, precision: Precision, scalar: boolean])[] = [
  ['NP', 'ps', 'f32', false],
  ['66', 'pd', 'f64', false],
  ['F3', 'ss', 'f32', true],
  ['F2', 'sd', 'f64', true],
];
const featureOf = (p: Precision): string => (p === 'f32' ? 'sse' : 'sse2');
const scalarSource = (p: Precision): string => (p === 'f32' ? 'Wd' : 'Wq');

/** The four forms of an arithmetic instruction. */
const arithmetic = (name: string, opcode: string, lane: Lane, native?: Native): Definition[] =>
  FORMS.map(([prefix, suffix, p, scalar]) =>
    define(
      `${name}${suffix}`,
      [`${prefix} 0F ${opcode} /r Vx,${scalar ? scalarSource(p) : 'Wx'}`],
      native ? (scalar ? scalarQuick(p, native) : packedQuick(p, native)) : scalar ? scalarFloat(p, lane) : packedFloat(p, lane),
      featureOf(p),
    ),
  );

/** CMPccPS: the predicate is an immediate. */
const compareForms = FORMS.map(([prefix, suffix, p, scalar]) => {
  const meaning: Meaning = (s, to, from, immediate) => {
    const b = scalar ? unaligned(s, from!) : source(s, from!);
    const a = s.f.let(s.readVector(to!));
    const predicate = s.f.let(i32.and(byteImmediate(s, immediate!), i32.const(7)));
    const lane: Lane = (_, __, x, y, mxcsr) => compute(s, p, `${p}_cmp`, x, y, predicate, mxcsr);
    if (scalar)
      s.writeVector(
        to!,
        replaceLane(
          p,
          a,
          0,
          withExceptions(s, (mxcsr) => lane(s, p, laneOf(p, a, 0), laneOf(p, b, 0), mxcsr)),
        ),
      );
    else s.writeVector(to!, everyLane(s, p, a, b, lane));
  };
  return define(`cmp${suffix}`, [`${prefix} 0F C2 /r Vx,${scalar ? scalarSource(p) : 'Wx'},Ib`], meaning, featureOf(p));
});

/** COMISS and UCOMISS: the helper gives ZF, PF and CF where they lie in EFLAGS. */
const order =
  (p: Precision, name: string): Meaning =>
  (s, to, from) => {
    const b = unaligned(s, from!);
    const a = s.f.let(s.readVector(to!));
    const [x, y] = [s.f.let(laneOf(p, a, 0)), s.f.let(laneOf(p, b, 0))];
    const { usual, below, equal } = quickOrder(s, p, [to!, x], [from!, y]);
    const known = s.f.local('i32');
    s.f.set(known, i32.or(below, i32.shl(equal, i32.const(6))));
    const certain = s.usually(usual, () =>
      s.f.set(
        known,
        withExceptions(s, (mxcsr) => s.f.let(s.helper(`${p}_${name}`, x, y, mxcsr))),
      ),
    );
    if (certain) {
      s.setOrder(below, equal);
      return;
    }
    const flags = s.f.get(known);
    const bit = (n: number) => i64.extendI32U(i32.and(i32.shrU(flags, i32.const(n)), i32.const(1)));
    setCarryParityZero(s, bit(0), bit(2), bit(6));
  };

// ── Approximations ─────────────────────────────────────────────────────────────────────────

const QUIET = 0x400000;
/** RCPSS and RSQRTSS within the manual's error bound: denormals count as zeros, and no exception is raised. */
const approximate =
  (reciprocal: (x: I32) => I32): Lane =>
  (s, _, __, b) => {
    const { f } = s;
    const bits = b as I32;
    const magnitude = f.let(i32.and(bits, i32.const(0x7fffffff)));
    const tiny = i32.ltU(magnitude, i32.const(0x800000));
    const flushed = f.let(select(tiny, i32.and(bits, i32.const(-0x80000000)), bits));
    const result = f.let(reciprocal(flushed));
    const small = i32.ltU(i32.and(result, i32.const(0x7fffffff)), i32.const(0x800000));
    const known = f.let(select(small, i32.and(result, i32.const(-0x80000000)), result));
    return f.let(select(i32.gtU(magnitude, i32.const(0x7f800000)), i32.or(bits, i32.const(QUIET)), known));
  };
const asFloat = f32.reinterpret;
const one = f32.const(1);
const reciprocal = (x: I32): I32 => i32.reinterpret(f32.div(one, asFloat(x)));
/** Negative numbers give the default NaN; -0 gives -∞. */
const reciprocalRoot = (x: I32): I32 =>
  select(i32.and(i32.ltS(x, i32.const(0)), i32.ne(x, i32.const(-0x80000000))), i32.const(-0x400000), i32.reinterpret(f32.div(one, f32.sqrt(asFloat(x)))));

const approximations = (name: string, opcode: string, operation: (x: I32) => I32): Definition[] => [
  define(`${name}ps`, [`NP 0F ${opcode} /r Vx,Wx`], packedPlain(approximate(operation)), 'sse'),
  define(`${name}ss`, [`F3 0F ${opcode} /r Vx,Wd`], (s, to, from) => {
    const b = unaligned(s, from!);
    const low = approximate(operation)(s, 'f32', laneOf('f32', b, 0), laneOf('f32', b, 0), i32.const(0));
    s.writeVector(to!, replaceLane('f32', s.readVector(to!), 0, low));
  }, 'sse'),
]; // prettier-ignore

function packedPlain(lane: Lane): Meaning {
  return (s, to, from) => {
    const b = source(s, from!);
    let result: V128 = b;
    for (let i = 0; i < 4; i++) {
      const x = s.f.let(laneOf('f32', b, i) as I32);
      result = s.f.let(replaceLane('f32', result, i, lane(s, 'f32', x, x, i32.const(0))));
    }
    s.writeVector(to!, result);
  };
}

// ── SSE3 and SSE4.1 ────────────────────────────────────────────────────────────────────────

/** ADDSUBPS: even lanes are subtracted, odd ones added. */
const addSubtract =
  (p: Precision): Meaning =>
  (s, to, from) => {
    const b = source(s, from!);
    const a = s.f.let(s.readVector(to!));
    s.writeVector(
      to!,
      lanes(s, p, a, b, (i) => (i & 1 ? 'add' : 'sub')),
    );
  };

const lanes = (s: Stage, p: Precision, a: V128, b: V128, operation: (lane: number) => string): V128 =>
  withExceptions(s, (mxcsr) => {
    let result = a;
    for (let i = 0; i < lanesOf(p); i++) result = s.f.let(replaceLane(p, result, i, binary(operation(i))(s, p, laneOf(p, a, i), laneOf(p, b, i), mxcsr)));
    return result;
  });

/** HADDPS: even lanes of both operands with the odd ones. */
const horizontal =
  (p: Precision, operation: string): Meaning =>
  (s, to, from) => {
    const b = source(s, from!);
    const a = s.f.let(s.readVector(to!));
    const even = s.f.let(everyOther(lanesOf(p), 0)(a, b));
    const odd = s.f.let(everyOther(lanesOf(p), 1)(a, b));
    s.writeVector(
      to!,
      lanes(s, p, even, odd, () => operation),
    );
  };

const round =
  (p: Precision, scalar: boolean): Meaning =>
  (s, to, from, immediate) => {
    const b = scalar ? unaligned(s, from!) : source(s, from!);
    const mode = byteImmediate(s, immediate!);
    const lane: Lane = (_, __, ___, x, mxcsr) => compute(s, p, `${p}_round`, x, mode, mxcsr);
    const a = scalar ? s.f.let(s.readVector(to!)) : b;
    if (scalar)
      s.writeVector(
        to!,
        replaceLane(
          p,
          a,
          0,
          withExceptions(s, (mxcsr) => lane(s, p, laneOf(p, b, 0), laneOf(p, b, 0), mxcsr)),
        ),
      );
    else s.writeVector(to!, everyLane(s, p, b, b, lane));
  };

/** DPPS, DPPD: products that bits 4–7 choose, added in pairs, where bits 0–3 say so. */
const dotProduct =
  (p: Precision): Meaning =>
  (s, to, from, immediate) => {
    const { f } = s;
    const b = source(s, from!);
    const a = f.let(s.readVector(to!));
    const n = byteImmediate(s, immediate!);
    const count = lanesOf(p);
    const none = (p === 'f32' ? i32.const(0) : i64c(0)) as I32 | I64;
    const chosen = (bit: number, value: I32 | I64): I32 | I64 => f.let(select(i32.and(n, i32.const(1 << bit)), value as I64, none as I64)) as I32 | I64;
    const products = withExceptions(s, (mxcsr) =>
      Array.from({ length: count }, (_, i) => {
        const product = f.local(p === 'f32' ? 'i32' : 'i64');
        f.set(product, none);
        f.if(i32.and(n, i32.const(16 << i)), () => f.set(product, binary('mul')(s, p, laneOf(p, a, i), laneOf(p, b, i), mxcsr)));
        return f.get(product) as I32 | I64;
      }),
    );
    // Each level of additions raises its own exceptions.
    const addPairs = (values: readonly (I32 | I64)[]): readonly (I32 | I64)[] =>
      withExceptions(s, (mxcsr) => values.flatMap((x, i) => (i % 2 ? [] : [binary('add')(s, p, x, values[i + 1]!, mxcsr)])));
    const total = (count === 2 ? addPairs(products) : addPairs(addPairs(products)))[0]!;
    let result: V128 = bits128.zero;
    for (let i = 0; i < count; i++) result = f.let(replaceLane(p, result, i, chosen(i, total)));
    s.writeVector(to!, result);
  };

const logic: readonly (readonly [name: string, opcode: string, operation: (a: V128, b: V128) => V128])[] = [
  ['and', '54', bits128.and],
  ['andn', '55', (a, b) => bits128.andnot(b, a)],
  ['or', '56', bits128.or],
  ['xor', '57', bits128.xor],
];

/** Arithmetic, comparisons and logic of packed and scalar floating point. */
export const sseFloats: readonly Definition[] = [
  ...arithmetic('add', '58', binary('add'), 'add'),
  ...arithmetic('mul', '59', binary('mul'), 'mul'),
  ...arithmetic('sub', '5C', binary('sub'), 'sub'),
  ...arithmetic('min', '5D', binary('min')),
  ...arithmetic('div', '5E', binary('div'), 'div'),
  ...arithmetic('max', '5F', binary('max')),
  ...arithmetic('sqrt', '51', ofSource('sqrt')),
  ...compareForms,
  define('ucomiss', ['NP 0F 2E /r Vx,Wd'], order('f32', 'ucomi'), 'sse'),
  define('ucomisd', ['66 0F 2E /r Vx,Wq'], order('f64', 'ucomi'), 'sse2'),
  define('comiss', ['NP 0F 2F /r Vx,Wd'], order('f32', 'comi'), 'sse'),
  define('comisd', ['66 0F 2F /r Vx,Wq'], order('f64', 'comi'), 'sse2'),
  ...approximations('rcp', '53', reciprocal),
  ...approximations('rsqrt', '52', reciprocalRoot),
  ...logic.flatMap(([name, opcode, operation]) => [
    define(`${name}ps`, [`NP 0F ${opcode} /r Vx,Wx`], packed(operation), 'sse'),
    define(`${name}pd`, [`66 0F ${opcode} /r Vx,Wx`], packed(operation), 'sse2'),
  ]),
  define('addsubps', ['F2 0F D0 /r Vx,Wx'], addSubtract('f32'), 'sse3'),
  define('addsubpd', ['66 0F D0 /r Vx,Wx'], addSubtract('f64'), 'sse3'),
  define('haddps', ['F2 0F 7C /r Vx,Wx'], horizontal('f32', 'add'), 'sse3'),
  define('haddpd', ['66 0F 7C /r Vx,Wx'], horizontal('f64', 'add'), 'sse3'),
  define('hsubps', ['F2 0F 7D /r Vx,Wx'], horizontal('f32', 'sub'), 'sse3'),
  define('hsubpd', ['66 0F 7D /r Vx,Wx'], horizontal('f64', 'sub'), 'sse3'),
  define('roundps', ['66 0F 3A 08 /r Vx,Wx,Ib'], round('f32', false), 'sse4.1'),
  define('roundpd', ['66 0F 3A 09 /r Vx,Wx,Ib'], round('f64', false), 'sse4.1'),
  define('roundss', ['66 0F 3A 0A /r Vx,Wd,Ib'], round('f32', true), 'sse4.1'),
  define('roundsd', ['66 0F 3A 0B /r Vx,Wq,Ib'], round('f64', true), 'sse4.1'),
  define('dpps', ['66 0F 3A 40 /r Vx,Wx,Ib'], dotProduct('f32'), 'sse4.1'),
  define('dppd', ['66 0F 3A 41 /r Vx,Wx,Ib'], dotProduct('f64'), 'sse4.1'),
];
