/*
 * The host's own floating point unit as an oracle: `float-oracle OP SEED COUNT` executes the real instruction on
 * edge cases and random operands and writes one 80-byte record each to standard output (struct record).
 * `float-oracle vendor` writes CPUID's vendor.
 * x87 runs with any masks, since its exceptions stay pending; unmasked SSE exceptions arrive as SIGFPE.
 */
#define _GNU_SOURCE
#include <cpuid.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

struct record {
  uint32_t control; /* MXCSR without flags, or FCW */
  uint32_t flags;   /* MXCSR flags, EFLAGS << 16; or FSW; bit 31: trapped */
  uint32_t immediate;
  uint32_t pad;
  uint8_t a[16], b[16], r[16], r2[16];
};
static struct record rec;

#define TRAPPED 0x80000000u
static uint32_t status;
static uint16_t fsw;
static const uint16_t plain_fcw = 0x37f;
static const uint32_t plain_mxcsr = 0x1f80;
static uint64_t resume;

static void on_fpe(int signal, siginfo_t *info, void *context) {
  (void)signal, (void)info;
  ucontext_t *uc = context;
  status = (uc->uc_mcontext.fpregs->mxcsr & 0x3f) | TRAPPED;
  uc->uc_mcontext.fpregs->mxcsr = plain_mxcsr;
  uc->uc_mcontext.gregs[REG_RIP] = (greg_t)resume;
}

/* --- SSE: a in xmm0, b in xmm1, result from xmm0 or rax --- */

#define SSE(name, insn)                                                                                                \
  static void name(void) {                                                                                             \
    uint64_t rax = 0;                                                                                                  \
    uint64_t eflags = 0;                                                                                               \
    asm volatile("lea 1f(%%rip), %%rdx\n\tmov %%rdx, %[resume]\n\t"                                                    \
                 "movups %[a], %%xmm0\n\tmovups %[b], %%xmm1\n\tldmxcsr %[control]\n\t" insn "\n"                      \
                 "\tpushfq\n\tpopq %[eflags]\n\tstmxcsr %[status]\n"                                                   \
                 "1:\tldmxcsr %[plain]\n\tmovups %%xmm0, %[r]"                                                         \
                 : [r] "=m"(rec.r), [status] "+m"(status), [resume] "=m"(resume), "+a"(rax), [eflags] "+r"(eflags)     \
                 : [a] "m"(rec.a), [b] "m"(rec.b), [control] "m"(rec.control), [plain] "m"(plain_mxcsr)                \
                 : "xmm0", "xmm1", "rdx", "cc", "memory");                                                             \
    memcpy(rec.r2, &rax, 8);                                                                                           \
    rec.flags = (status & (TRAPPED | 0x3f)) | (uint32_t)(eflags & 0xff) << 16;                                         \
  }

/* Instructions with an immediate: one function for each value, chosen by the record. */
#define SSE8(name, insn, suffix)                                                                                       \
  SSE(name##0, insn " $0, " suffix)                                                                                    \
  SSE(name##1, insn " $1, " suffix)                                                                                    \
  SSE(name##2, insn " $2, " suffix)                                                                                    \
  SSE(name##3, insn " $3, " suffix)                                                                                    \
  SSE(name##4, insn " $4, " suffix)                                                                                    \
  SSE(name##5, insn " $5, " suffix)                                                                                    \
  SSE(name##6, insn " $6, " suffix)                                                                                    \
  SSE(name##7, insn " $7, " suffix)
#define EIGHT(name) {name##0, name##1, name##2, name##3, name##4, name##5, name##6, name##7}
#define CHOOSE(name, ...)                                                                                              \
  static void name(void) {                                                                                             \
    static void (*const forms[])(void) = __VA_ARGS__;                                                                  \
    forms[rec.immediate % (sizeof forms / sizeof *forms)]();                                                           \
  }

#define SSE_BOTH(name)                                                                                                 \
  SSE(f32_##name, #name "ss %%xmm1, %%xmm0")                                                                           \
  SSE(f64_##name, #name "sd %%xmm1, %%xmm0")
SSE_BOTH(add)
SSE_BOTH(sub)
SSE_BOTH(mul)
SSE_BOTH(div)
SSE_BOTH(min)
SSE_BOTH(max)
SSE(f32_sqrt, "sqrtss %%xmm0, %%xmm0")
SSE(f64_sqrt, "sqrtsd %%xmm0, %%xmm0")
SSE(f32_comi, "comiss %%xmm1, %%xmm0")
SSE(f64_comi, "comisd %%xmm1, %%xmm0")
SSE(f32_ucomi, "ucomiss %%xmm1, %%xmm0")
SSE(f64_ucomi, "ucomisd %%xmm1, %%xmm0")
SSE8(cmpss_, "cmpss", "%%xmm1, %%xmm0")
SSE8(cmpsd_, "cmpsd", "%%xmm1, %%xmm0")
CHOOSE(f32_cmp, EIGHT(cmpss_))
CHOOSE(f64_cmp, EIGHT(cmpsd_))
SSE8(roundss_, "roundss", "%%xmm0, %%xmm0")
SSE8(roundsd_, "roundsd", "%%xmm0, %%xmm0")
SSE(roundss_8, "roundss $8, %%xmm0, %%xmm0")
SSE(roundss_9, "roundss $9, %%xmm0, %%xmm0")
SSE(roundss_10, "roundss $10, %%xmm0, %%xmm0")
SSE(roundss_11, "roundss $11, %%xmm0, %%xmm0")
SSE(roundss_12, "roundss $12, %%xmm0, %%xmm0")
SSE(roundsd_8, "roundsd $8, %%xmm0, %%xmm0")
SSE(roundsd_9, "roundsd $9, %%xmm0, %%xmm0")
SSE(roundsd_10, "roundsd $10, %%xmm0, %%xmm0")
SSE(roundsd_11, "roundsd $11, %%xmm0, %%xmm0")
SSE(roundsd_12, "roundsd $12, %%xmm0, %%xmm0")
#define THIRTEEN(n)                                                                                                    \
  {n##0, n##1, n##2, n##3, n##4, n##5, n##6, n##7, n##8, n##9, n##10, n##11, n##12}
CHOOSE(f32_round, THIRTEEN(roundss_))
CHOOSE(f64_round, THIRTEEN(roundsd_))
SSE(f32_to_i32, "cvtss2si %%xmm0, %%eax")
SSE(f32_to_i64, "cvtss2si %%xmm0, %%rax")
SSE(f64_to_i32, "cvtsd2si %%xmm0, %%eax")
SSE(f64_to_i64, "cvtsd2si %%xmm0, %%rax")
SSE(f32_to_i32_truncate, "cvttss2si %%xmm0, %%eax")
SSE(f32_to_i64_truncate, "cvttss2si %%xmm0, %%rax")
SSE(f64_to_i32_truncate, "cvttsd2si %%xmm0, %%eax")
SSE(f64_to_i64_truncate, "cvttsd2si %%xmm0, %%rax")
SSE(f32_from_i32, "cvtsi2ssl %[a], %%xmm0")
SSE(f32_from_i64, "cvtsi2ssq %[a], %%xmm0")
SSE(f64_from_i32, "cvtsi2sdl %[a], %%xmm0")
SSE(f64_from_i64, "cvtsi2sdq %[a], %%xmm0")
SSE(f64_to_f32, "cvtsd2ss %%xmm0, %%xmm0")
SSE(f32_to_f64, "cvtss2sd %%xmm0, %%xmm0")

/* --- x87: the status word is read without waiting, so unmasked exceptions never trap --- */

#define X87(name, setup, insn, results)                                                                                \
  static void name(void) {                                                                                             \
    asm volatile("fninit\n\t" setup "\n\tfldcw %[control]\n\t" insn "\n\tfnstsw %[fsw]\n\tfnclex\n\tfldcw %[plain]\n\t" \
                 results "\n\tfninit"                                                                                  \
                 : [r] "+m"(rec.r), [r2] "+m"(rec.r2), [fsw] "=m"(fsw)                                                 \
                 : [a] "m"(rec.a), [b] "m"(rec.b), [control] "m"(rec.control), [plain] "m"(plain_fcw)                  \
                 : "memory");                                                                                          \
    rec.flags = fsw;                                                                                                   \
  }
#define UNARY(name, insn) X87(name, "fldt %[a]", insn, "fstpt %[r]")
#define BINARY(name, insn) X87(name, "fldt %[b]\n\tfldt %[a]", insn, "fstpt %[r]")
#define PUSHING(name, insn) X87(name, "fldt %[a]", insn, "fstpt %[r]\n\tfstpt %[r2]")
#define STORING(name, insn) X87(name, "fldt %[a]", insn, "")

#define ARITHMETIC(name, insn)                                                                                         \
  BINARY(f80_##name, insn " %%st(1), %%st")                                                                            \
  X87(f80_##name##_m32, "fldt %[a]", insn "s %[b]", "fstpt %[r]")                                                      \
  X87(f80_##name##_m64, "fldt %[a]", insn "l %[b]", "fstpt %[r]")
ARITHMETIC(add, "fadd")
ARITHMETIC(sub, "fsub")
ARITHMETIC(subr, "fsubr")
ARITHMETIC(mul, "fmul")
ARITHMETIC(div, "fdiv")
ARITHMETIC(divr, "fdivr")
BINARY(f80_compare, "fcom %%st(1)")
BINARY(f80_compare_quiet, "fucom %%st(1)")
X87(f80_compare_m64, "fldt %[a]", "fcoml %[b]", "")
UNARY(f80_test, "ftst")
UNARY(f80_examine, "fxam")
UNARY(f80_sqrt, "fsqrt")
UNARY(f80_round, "frndint")
PUSHING(f80_extract, "fxtract")
X87(f80_load_f32, "", "flds %[a]", "fstpt %[r]")
X87(f80_load_f64, "", "fldl %[a]", "fstpt %[r]")
X87(f80_from_i64, "", "fildll %[a]", "fstpt %[r]")
X87(f80_load_bcd, "", "fbld %[a]", "fstpt %[r]")
STORING(f80_store_f32, "fstps %[r]")
STORING(f80_store_f64, "fstpl %[r]")
STORING(f80_store_i16, "fistps %[r]")
STORING(f80_store_i32, "fistpl %[r]")
STORING(f80_store_i64, "fistpll %[r]")
STORING(f80_store_i16_truncate, "fisttps %[r]")
STORING(f80_store_i32_truncate, "fisttpl %[r]")
STORING(f80_store_i64_truncate, "fisttpll %[r]")
STORING(f80_store_bcd, "fbstp %[r]")
BINARY(f80_scale, "fscale")
BINARY(f80_rem_truncate, "fprem")
BINARY(f80_rem_nearest, "fprem1")
UNARY(f80_2xm1, "f2xm1")
BINARY(f80_yl2x, "fyl2x")
BINARY(f80_yl2xp1, "fyl2xp1")
BINARY(f80_patan, "fpatan")
PUSHING(f80_ptan, "fptan")
UNARY(f80_sin, "fsin")
UNARY(f80_cos, "fcos")
PUSHING(f80_sincos, "fsincos")
#define CONSTANT(name) X87(name, "", #name, "fstpt %[r]")
CONSTANT(fld1)
CONSTANT(fldl2t)
CONSTANT(fldl2e)
CONSTANT(fldpi)
CONSTANT(fldlg2)
CONSTANT(fldln2)
CONSTANT(fldz)
CHOOSE(f80_constant, {fld1, fldl2t, fldl2e, fldpi, fldlg2, fldln2, fldz})

/* --- operands --- */

static uint64_t rng_state;
static uint64_t rnd(void) { /* splitmix64 */
  uint64_t z = (rng_state += 0x9e3779b97f4a7c15);
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
  z = (z ^ z >> 27) * 0x94d049bb133111eb;
  return z ^ z >> 31;
}

enum format { NONE, F32, F64, F80, INT, BCD, UNIT, ANGLE, POSITIVE, SMALL };

/* A significand of `bits` bits that is random, sparse, or near all ones or zeros. */
static uint64_t pattern(int bits) {
  uint64_t mask = bits == 64 ? ~0ull : (1ull << bits) - 1;
  switch (rnd() % 8) {
  case 0: return 0;
  case 1: return mask;
  case 2: return 1ull << rnd() % bits;
  case 3: return mask & ~(1ull << rnd() % bits);
  case 4: return mask & (rnd() << rnd() % bits);
  case 5: return mask & (rnd() % 16 - 8);
  default: return mask & rnd();
  }
}

/* An exponent field: special, around the bias, or anything; `near` >= 0 keeps it close to another operand's. */
static unsigned exponent(int bits, int near) {
  unsigned max = (1u << bits) - 1;
  unsigned bias = max >> 1;
  switch (rnd() % 8) {
  case 0: return 0;
  case 1: return max - rnd() % 2;
  case 2: return 1 + rnd() % 4;
  case 3: return rnd() & max;
  case 4:
  case 5: return near < 0 ? bias + rnd() % 70 - 5 : (unsigned)(near + (int)(rnd() % 140) - 70) & max;
  default: return near < 0 ? bias + rnd() % 8 - 4 : (unsigned)(near + (int)(rnd() % 6) - 3) & max;
  }
}

static int near_exponent;

static void put80(uint8_t *to, unsigned sign, unsigned biased, uint64_t significand) {
  uint16_t top = (uint16_t)(sign << 15 | biased);
  memset(to, 0, 16);
  memcpy(to, &significand, 8);
  memcpy(to + 8, &top, 2);
}

/* Zeros, ones, denormals, infinities, NaNs, unsupported encodings and what is too large for an angle. */
static void special(uint8_t *to, unsigned sign) {
  switch (rnd() % 8) {
  case 0: return put80(to, sign, 0, 0);
  case 1: return put80(to, sign, 0, pattern(63));
  case 2: return put80(to, sign, 0x3fff, 1ull << 63);
  case 3: return put80(to, sign, 0x7fff, 1ull << 63);
  case 4: return put80(to, sign, 0x7fff, pattern(63) | 1ull << 63);
  case 5: return put80(to, sign, 0x403e + rnd() % 64, pattern(63) | 1ull << 63);
  case 6: return put80(to, sign, 0x3fff, pattern(63));
  default: return put80(to, sign, 1 + rnd() % 8, pattern(63) | 1ull << 63);
  }
}

static void operand(uint8_t *to, enum format format, int related) {
  int near = related ? near_exponent : -1;
  unsigned sign = rnd() & 1;
  uint64_t bits = rnd();
  memset(to, 0, 16);
  switch (format) {
  case NONE:
    return;
  case F32:
    near_exponent = exponent(8, near);
    bits = (uint64_t)sign << 31 | (uint64_t)near_exponent << 23 | pattern(23);
    break;
  case F64:
    near_exponent = exponent(11, near);
    bits = (uint64_t)sign << 63 | (uint64_t)near_exponent << 52 | pattern(52);
    break;
  case F80: {
    near_exponent = exponent(15, near);
    uint64_t significand = pattern(63) | 1ull << 63;
    /* Denormals, and now and then an encoding that the x87 rejects. */
    if (near_exponent == 0 ? rnd() % 8 : !(rnd() % 32)) significand &= ~(1ull << 63);
    put80(to, sign, near_exponent, significand);
    return;
  }
  case INT:
    bits = rnd() % 4 ? pattern(1 + rnd() % 64) : -pattern(1 + rnd() % 63);
    break;
  case BCD:
    for (int i = 0; i < 9; i++) to[i] = (uint8_t)((rnd() % 10) << 4 | rnd() % 10);
    to[9] = (uint8_t)(sign << 7);
    return;
  case UNIT: /* |x| <= 1, and what isn't finite */
    if (!(rnd() % 16)) {
      special(to, sign);
      return;
    }
    put80(to, sign, 0x3ffe - (rnd() % 2 ? rnd() % 4 : rnd() % 80), pattern(63) | 1ull << 63);
    return;
  case ANGLE: /* |x| < 2^63, and others */
    if (!(rnd() % 16)) {
      special(to, sign);
      return;
    }
    put80(to, sign, 0x3fff + (rnd() % 2 ? rnd() % 6 - 3 : rnd() % 128 - 65), pattern(63) | 1ull << 63);
    return;
  case POSITIVE: /* x > 0, often close to 1, and others */
    if (!(rnd() % 16)) {
      special(to, sign);
      return;
    }
    if (rnd() % 2) put80(to, 0, 0x3fff - rnd() % 2, (uint64_t)(rnd() % 2 ? 0 : -1) >> 1 ^ pattern(63) >> rnd() % 63 | 1ull << 63);
    else put80(to, 0, 1 + rnd() % 0x7ffd, pattern(63) | 1ull << 63);
    return;
  case SMALL: /* |x| < 1 - sqrt(1/2), and what isn't finite */
    if (!(rnd() % 16)) {
      special(to, sign);
      return;
    }
    put80(to, sign, 0x3ffc - (rnd() % 2 ? rnd() % 4 : rnd() % 80), pattern(63) | 1ull << 63);
    return;
  }
  memcpy(to, &bits, 8);
}

enum unit { SSE, FPU };
static const struct operation {
  const char *name;
  void (*run)(void);
  enum unit unit;
  enum format a, b;
} operations[] = {
#define OP(name, unit, a, b) {#name, name, unit, a, b},
#define PAIR(name, b32, b64) OP(f32_##name, SSE, F32, b32) OP(f64_##name, SSE, F64, b64)
#define X87_ARITHMETIC(name)                                                                                           \
  OP(f80_##name, FPU, F80, F80) OP(f80_##name##_m32, FPU, F80, F32) OP(f80_##name##_m64, FPU, F80, F64)
  PAIR(add, F32, F64) PAIR(sub, F32, F64) PAIR(mul, F32, F64) PAIR(div, F32, F64) PAIR(min, F32, F64)
  PAIR(max, F32, F64) PAIR(sqrt, NONE, NONE) PAIR(comi, F32, F64) PAIR(ucomi, F32, F64) PAIR(cmp, F32, F64)
  PAIR(round, NONE, NONE) PAIR(to_i32, NONE, NONE) PAIR(to_i64, NONE, NONE) PAIR(to_i32_truncate, NONE, NONE)
  PAIR(to_i64_truncate, NONE, NONE)
  OP(f32_from_i32, SSE, INT, NONE) OP(f32_from_i64, SSE, INT, NONE) OP(f64_from_i32, SSE, INT, NONE)
  OP(f64_from_i64, SSE, INT, NONE) OP(f64_to_f32, SSE, F64, NONE) OP(f32_to_f64, SSE, F32, NONE)
  X87_ARITHMETIC(add) X87_ARITHMETIC(sub) X87_ARITHMETIC(subr) X87_ARITHMETIC(mul) X87_ARITHMETIC(div)
  X87_ARITHMETIC(divr)
  OP(f80_compare, FPU, F80, F80) OP(f80_compare_quiet, FPU, F80, F80) OP(f80_compare_m64, FPU, F80, F64)
  OP(f80_test, FPU, F80, NONE) OP(f80_examine, FPU, F80, NONE) OP(f80_sqrt, FPU, F80, NONE)
  OP(f80_round, FPU, F80, NONE) OP(f80_extract, FPU, F80, NONE)
  OP(f80_load_f32, FPU, F32, NONE) OP(f80_load_f64, FPU, F64, NONE) OP(f80_from_i64, FPU, INT, NONE)
  OP(f80_load_bcd, FPU, BCD, NONE) OP(f80_store_f32, FPU, F80, NONE) OP(f80_store_f64, FPU, F80, NONE)
  OP(f80_store_i16, FPU, F80, NONE) OP(f80_store_i32, FPU, F80, NONE) OP(f80_store_i64, FPU, F80, NONE)
  OP(f80_store_i16_truncate, FPU, F80, NONE) OP(f80_store_i32_truncate, FPU, F80, NONE)
  OP(f80_store_i64_truncate, FPU, F80, NONE) OP(f80_store_bcd, FPU, F80, NONE)
  OP(f80_scale, FPU, F80, F80) OP(f80_rem_truncate, FPU, F80, F80) OP(f80_rem_nearest, FPU, F80, F80)
  OP(f80_constant, FPU, NONE, NONE)
  OP(f80_2xm1, FPU, UNIT, NONE) OP(f80_yl2x, FPU, POSITIVE, F80) OP(f80_yl2xp1, FPU, SMALL, F80)
  OP(f80_patan, FPU, F80, F80) OP(f80_ptan, FPU, ANGLE, NONE) OP(f80_sin, FPU, ANGLE, NONE)
  OP(f80_cos, FPU, ANGLE, NONE) OP(f80_sincos, FPU, ANGLE, NONE)
};

/* GenuineIntel, AuthenticAMD, … */
static void print_vendor(void) {
  uint32_t eax, name[3];
  __get_cpuid(0, &eax, &name[0], &name[2], &name[1]);
  fwrite(name, sizeof name, 1, stdout);
}

int main(int argc, char **argv) {
  if (argc == 2 && !strcmp(argv[1], "vendor")) return print_vendor(), 0;
  if (argc < 4) return 2;
  const struct operation *op = NULL;
  for (size_t i = 0; i < sizeof operations / sizeof *operations; i++)
    if (!strcmp(operations[i].name, argv[1])) op = &operations[i];
  if (!op) return 2;
  rng_state = strtoull(argv[2], NULL, 0);
  struct sigaction action = {.sa_sigaction = on_fpe, .sa_flags = SA_SIGINFO | SA_NODEFER};
  sigaction(SIGFPE, &action, NULL);
  static char buffer[1 << 20];
  setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
  for (long n = strtol(argv[3], NULL, 0); n-- > 0;) {
    memset(&rec, 0, sizeof rec);
    memset(rec.r, 0xcc, 16);
    memset(rec.r2, 0xcc, 16);
    uint64_t random = rnd();
    rec.immediate = random >> 32 & 0xffff;
    int unmasked = random >> 60 == 0;
    uint32_t masks = unmasked ? random & 0x3f : 0x3f;
    if (op->unit == SSE)
      rec.control = masks << 7 | (random >> 8 & 3) << 13 | (random >> 10 & random >> 11 & 1) << 15 |
                    (random >> 12 & random >> 13 & 1) << 6;
    else rec.control = 0x40 | masks | (random >> 8 & 3) << 10 | (random >> 16 & 1 ? 3 : random >> 17 & 3) << 8;
    operand(rec.a, op->a, 0);
    operand(rec.b, op->b, rnd() & 1 && op->a == op->b);
    status = 0;
    op->run();
    fwrite(&rec, sizeof rec, 1, stdout);
  }
  return 0;
}
