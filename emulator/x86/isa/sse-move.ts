import { i64, i64c, type V128 } from '../../wasm/expr';
import { bits128, i8x16, i32x4, i64x2, shuffleLanes, withLow } from '../../wasm/simd';
import { define, type Definition, type Meaning } from '../definition';
import { FPU_STATUS, FPU_TAGS, MXCSR } from '../layout';
import { enterMmx, highQuad, lowQuad, source, unaligned, unary } from './vector-operands';
import { waiting } from './x87-control';

const GENERAL_PROTECTION = 13;

/** Bits of MXCSR that exist: writing others faults (SDM vol. 1, 11.6.6). */
const MXCSR_MASK = 0xffffn;

const moveAligned: Meaning = (s, to, from) => {
  const value = source(s, from!);
  if (to!.size === 128) s.requireAligned(to!);
  s.writeVector(to!, value);
};

const moveUnaligned: Meaning = (s, to, from) => s.writeVector(to!, unaligned(s, from!));

/** MOVSS and MOVSD: between registers the rest of the destination stays, from memory it is cleared. */
const moveScalar =
  (lanes: 2 | 4): Meaning =>
  (s, to, from) => {
    const value = unaligned(s, from!);
    const merge = to!.kind === 'vector' && from!.kind === 'vector';
    s.writeVector(to!, merge ? withLow(s.readVector(to!), value, lanes) : value);
  };

const zeroExtendQuad = (v: V128): V128 => i64x2.replace(v, 1, i64c(0));

/** MOVQ clears the upper half of a destination register in every form. */
const moveQuad: Meaning = (s, to, from) => {
  const value = unaligned(s, from!);
  s.writeVector(to!, to!.kind === 'vector' && from!.kind === 'vector' ? zeroExtendQuad(value) : value);
};

/** Replaces one half of the destination register by 64 bits. */
const loadHalf =
  (half: 0 | 1): Meaning =>
  (s, to, from) => {
    const value = s.f.let(s.read(from!));
    s.writeVector(to!, i64x2.replace(s.readVector(to!), half, value));
  };

const storeHalf =
  (half: 0 | 1): Meaning =>
  (s, to, from) =>
    s.write(to!, half ? highQuad(s.readVector(from!)) : lowQuad(s.readVector(from!)));

const fromGeneral: Meaning = (s, to, from) => s.writeVector(to!, i64x2.of(s.read(from!), i64c(0)));
const toGeneral: Meaning = (s, to, from) => s.write(to!, lowQuad(s.readVector(from!)));

const move: Meaning = (s, to, from) => s.write(to!, s.read(from!));

const mask =
  (bitmask: (v: V128) => ReturnType<typeof i8x16.bitmask>): Meaning =>
  (s, to, from) =>
    s.write(to!, i64.extendI32U(bitmask(s.readVector(from!))));

/** Bytes whose mask byte has its top bit set go to memory, as one access that is checked as a whole. */
const maskedStore: Meaning = (s, to, from, chooser) => {
  const { f } = s;
  const old = f.let(s.readVectorForUpdate(to!));
  const chosen = i8x16.ltS(s.readVector(chooser!), bits128.zero);
  s.writeVector(to!, bits128.select(s.readVector(from!), old, f.let(chosen)));
};
/** MASKMOVQ enters MMX operation before it touches memory: processors have done so even where it faults. */
const maskedStoreMmx: Meaning = (s, to, from, chooser) => {
  const { f } = s;
  enterMmx(s);
  const old = f.let(s.readForUpdate(to!));
  const chosen = f.let(lowQuad(i8x16.ltS(i64x2.splat(s.read(chooser!)), bits128.zero)));
  s.write(to!, i64.xor(old, i64.and(i64.xor(old, s.read(from!)), chosen)));
};

const nothing: Meaning = () => {};

/** Moves and state of MMX, SSE, SSE2 and SSE3. */
export const sseMoves: readonly Definition[] = [
  define('movups', ['NP 0F 10 /r Vx,Wx', 'NP 0F 11 /r Wx,Vx'], moveUnaligned, 'sse'),
  define('movupd', ['66 0F 10 /r Vx,Wx', '66 0F 11 /r Wx,Vx'], moveUnaligned, 'sse2'),
  define('movaps', ['NP 0F 28 /r Vx,Wx', 'NP 0F 29 /r Wx,Vx'], moveAligned, 'sse'),
  define('movapd', ['66 0F 28 /r Vx,Wx', '66 0F 29 /r Wx,Vx'], moveAligned, 'sse2'),
  define('movdqa', ['66 0F 6F /r Vx,Wx', '66 0F 7F /r Wx,Vx'], moveAligned, 'sse2'),
  define('movdqu', ['F3 0F 6F /r Vx,Wx', 'F3 0F 7F /r Wx,Vx'], moveUnaligned, 'sse2'),
  define('lddqu', ['F2 0F F0 /r Vx,Mx'], moveUnaligned, 'sse3'),
  define('movss', ['F3 0F 10 /r Vx,Wd', 'F3 0F 11 /r Wd,Vx'], moveScalar(4), 'sse'),
  define('movsd', ['F2 0F 10 /r Vx,Wq', 'F2 0F 11 /r Wq,Vx'], moveScalar(2), 'sse2'),
  define('movq', ['F3 0F 7E /r Vx,Wq', '66 0F D6 /r Wq,Vx'], moveQuad, 'sse2'),

  define('movlps', ['NP 0F 12 /r Vx,Mq : mem'], loadHalf(0), 'sse'),
  define('movlpd', ['66 0F 12 /r Vx,Mq : mem'], loadHalf(0), 'sse2'),
  define('movhps', ['NP 0F 16 /r Vx,Mq : mem'], loadHalf(1), 'sse'),
  define('movhpd', ['66 0F 16 /r Vx,Mq : mem'], loadHalf(1), 'sse2'),
  define('movlpsStore', ['NP 0F 13 /r Mq,Vx : mem'], storeHalf(0), 'sse'),
  define('movlpdStore', ['66 0F 13 /r Mq,Vx : mem'], storeHalf(0), 'sse2'),
  define('movhpsStore', ['NP 0F 17 /r Mq,Vx : mem'], storeHalf(1), 'sse'),
  define('movhpdStore', ['66 0F 17 /r Mq,Vx : mem'], storeHalf(1), 'sse2'),
  define('movhlps', ['NP 0F 12 /r Vx,Ux : mod3'], (s, to, from) => s.writeVector(to!, shuffleLanes(s.readVector(from!), s.readVector(to!), [1, 3])), 'sse'),
  define('movlhps', ['NP 0F 16 /r Vx,Ux : mod3'], (s, to, from) => s.writeVector(to!, shuffleLanes(s.readVector(to!), s.readVector(from!), [0, 2])), 'sse'),
  define(
    'movddup',
    ['F2 0F 12 /r Vx,Wq'],
    (s, to, from) => {
      const v = unaligned(s, from!);
      s.writeVector(to!, shuffleLanes(v, v, [0, 0]));
    },
    'sse3',
  ),
  define(
    'movsldup',
    ['F3 0F 12 /r Vx,Wx'],
    unary((v) => shuffleLanes(v, v, [0, 0, 2, 2])),
    'sse3',
  ),
  define(
    'movshdup',
    ['F3 0F 16 /r Vx,Wx'],
    unary((v) => shuffleLanes(v, v, [1, 1, 3, 3])),
    'sse3',
  ),

  define('movd', ['66 0F 6E /r Vx,Ey'], fromGeneral, 'sse2'),
  define('movdStore', ['66 0F 7E /r Ey,Vx'], toGeneral, 'sse2'),
  define('movd', ['NP 0F 6E /r Pq,Ey', 'NP 0F 7E /r Ey,Pq'], move, 'mmx'),
  define('movq', ['NP 0F 6F /r Pq,Qq', 'NP 0F 7F /r Qq,Pq'], move, 'mmx'),
  define('movq2dq', ['F3 0F D6 /r Vx,Nq'], fromGeneral, 'sse2'),
  define('movdq2q', ['F2 0F D6 /r Pq,Ux'], toGeneral, 'sse2'),

  // Non-temporal stores are stores: the hint concerns caches, which are not modelled.
  define('movntps', ['NP 0F 2B /r Mx,Vx : mem'], moveAligned, 'sse'),
  define('movntpd', ['66 0F 2B /r Mx,Vx : mem'], moveAligned, 'sse2'),
  define('movntdq', ['66 0F E7 /r Mx,Vx : mem'], moveAligned, 'sse2'),
  define('movntdqa', ['66 0F 38 2A /r Vx,Mx : mem'], moveAligned, 'sse4.1'),
  define('movntq', ['NP 0F E7 /r Mq,Pq : mem'], move, 'sse'),
  define('movnti', ['NP 0F C3 /r My,Gy : mem'], move),
  define('maskmovdqu', ['66 0F F7 /r Yx,Vx,Ux : mod3'], maskedStore, 'sse2'),
  define('maskmovq', ['NP 0F F7 /r Yq,Pq,Nq : mod3'], maskedStoreMmx, 'sse'),

  define('movmskps', ['NP 0F 50 /r Gd,Ux : mod3'], mask(i32x4.bitmask), 'sse'),
  define('movmskpd', ['66 0F 50 /r Gd,Ux : mod3'], mask(i64x2.bitmask), 'sse2'),
  define('pmovmskb', ['66 0F D7 /r Gd,Ux : mod3'], mask(i8x16.bitmask), 'sse2'),
  define('pmovmskb', ['NP 0F D7 /r Gd,Nq : mod3'], (s, to, from) => s.write(to!, i64.extendI32U(i8x16.bitmask(i64x2.of(s.read(from!), i64c(0))))), 'sse'),

  define(
    'ldmxcsr',
    ['NP 0F AE /2 Md : mem'],
    (s, from) => {
      const value = s.f.let(s.read(from!));
      s.faultIf(i64.ne(i64.and(value, i64c(~MXCSR_MASK)), i64c(0)), GENERAL_PROTECTION, 0);
      s.setState('u32', MXCSR, value);
    },
    'sse',
  ),
  define('stmxcsr', ['NP 0F AE /3 Md : mem'], (s, to) => s.write(to!, s.getState('u32', MXCSR)), 'sse'),
  // All registers become empty, and TOP 0 (SDM vol. 1, table 12-3).
  define(
    'emms',
    ['NP 0F 77'],
    waiting((s) => {
      s.setState('u8', FPU_TAGS, i64c(0));
      s.setState('u16', FPU_STATUS, i64.and(s.getState('u16', FPU_STATUS), i64c(~0x3800n)));
    }),
    'mmx',
  ),

  // One vCPU runs at a time and no caches are modelled: ordering and flushing need no work.
  define('lfence', ['NP 0F AE /5 : mod3'], nothing),
  define('mfence', ['NP 0F AE /6 : mod3'], nothing),
  define('sfence', ['NP 0F AE /7 : mod3'], nothing),
  // Checked as a load of one byte (SDM vol. 2, CLFLUSH).
  define('clflush', ['NP 0F AE /7 Mb : mem'], (s, at) => s.f.drop(s.read(at!))),
];
