/*
 * Runs short sequences of machine code on this processor and reports what they did.
 *
 * There is one signal round trip a case: the handler of the signal that ended a case reads the state out
 * of its own signal frame, writes the next case's state into it, and returns. So the kernel loads and stores
 * every register, RSP and the segments of 32-bit code included, and no register is needed to get in or out.
 *
 * Protocol on stdin and stdout, little-endian, every part a multiple of 8 bytes:
 *
 *   at start   -> struct hello, then hello.leaves × struct leaf
 *   <- struct request { kind: MEMORY, count: 0, length }, then DATA_SIZE + STACK_SIZE bytes: what memory holds
 *      before each case from now on; no answer
 *   <- struct request { kind: CASES, count, length }, then count × (struct test_case, patches)
 *   -> struct request { kind: CASES, count, length }, then count × (struct test_result, changes)
 *
 * Patches and changes are struct piece, each followed by its bytes, padded to 8.
 *
 * Memory that a case sees:
 *   CODE   one page, read and execute; nothing after it. A case ends by the int3 that follows its code.
 *   DATA   three pages, the last one read-only; nothing before and after them
 *   LOW    the same three pages again, for 16-bit addresses
 *   STACK  two pages; nothing before and after them
 */
#define _GNU_SOURCE
#include <cpuid.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

#define PAGE 0x1000u
#define CODE 0x10000000u
#define DATA 0x20000000u
#define LOW 0x8000u
#define STACK 0x30000000u
#define DATA_SIZE (3 * PAGE)
#define STACK_SIZE (2 * PAGE)
#define DATA_WRITABLE (2 * PAGE)
#define CODE_MAX 64
#define FX_SIZE 416

enum { MEMORY = 1, CASES = 2 };
enum { USER_CS64 = 0x33, USER_CS32 = 0x23, USER_DS = 0x2b };

struct request { uint32_t kind, count, length, reserved; };
struct hello { char magic[8]; uint32_t leaves, mxcsr_mask; };
struct leaf { uint32_t leaf, subleaf, eax, ebx, ecx, edx; };
struct piece { uint32_t address, length; };

struct test_case {
  uint8_t mode; /* 64 or 32 */
  uint8_t code_length;
  uint16_t code_offset;
  uint32_t patches; /* bytes that follow */
  uint64_t gpr[16]; /* rax rcx rdx rbx rsp rbp rsi rdi r8 … r15 */
  uint64_t rflags, fs_base, gs_base;
  uint8_t code[CODE_MAX];
  uint8_t fx[FX_SIZE]; /* FXSAVE image up to XMM15 */
};

struct test_result {
  uint8_t signal, trap;
  uint16_t cs, ss, ds, es, fs, gs, reserved;
  uint32_t error;
  uint32_t changes; /* bytes that follow */
  uint32_t reserved2;
  uint64_t cr2, rip, rflags;
  uint64_t gpr[16];
  uint8_t fx[FX_SIZE];
};

static const int GPR[16] = { REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                             REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15 };

/* Our own view of the memory, writable throughout: code, data, stack; then what it ought to hold. */
static uint8_t *code_page, *memory, *expected;
static uint8_t pristine[DATA_SIZE + STACK_SIZE];

static const uint8_t *next_case;
static uint8_t *next_result;
static uint32_t cases_left;
static volatile int running;
static volatile uint32_t cases_done, cases_at_tick;
static const struct test_case *current;

static int has_fsgsbase;
static uint64_t main_fs_base, main_gs_base;
static gregset_t main_gregs;
static uint8_t main_fx[512];

static void fail(const char *what) {
  fprintf(stderr, "oracle: %s: %s\n", what, strerror(errno));
  exit(1);
}

/* ── State that a signal frame doesn't hold ─────────────────────────────────────────────── */

static inline long prctl_base(long code, uint64_t value) {
  long result;
  __asm__ volatile("syscall" : "=a"(result) : "a"(SYS_arch_prctl), "D"(code), "S"(value) : "rcx", "r11", "memory");
  return result;
}

static inline void set_bases(uint64_t fs, uint64_t gs) {
  if (has_fsgsbase) {
    __asm__ volatile("wrfsbase %0; wrgsbase %1" : : "r"(fs), "r"(gs));
  } else {
    prctl_base(0x1002, fs); /* ARCH_SET_FS */
    prctl_base(0x1001, gs); /* ARCH_SET_GS */
  }
}

static inline void set_data_segments(uint16_t fs_gs) {
  __asm__ volatile("mov %0, %%ds; mov %0, %%es" : : "r"(USER_DS));
  __asm__ volatile("mov %0, %%fs; mov %0, %%gs" : : "r"((uint32_t)fs_gs));
}

/* ── Memory ─────────────────────────────────────────────────────────────────────────────── */

static uint32_t offset_of(uint32_t address) {
  if (address >= STACK) return DATA_SIZE + (address - STACK);
  return address - DATA;
}
static uint32_t address_of(uint32_t offset) {
  return offset >= DATA_SIZE ? STACK + (offset - DATA_SIZE) : DATA + offset;
}
static uint32_t padded(uint32_t length) { return (length + 7) & ~7u; }

/* Puts the case's patches into memory, or takes them out again. */
static void patch(const struct test_case *test, int undo) {
  const uint8_t *at = (const uint8_t *)(test + 1), *end = at + test->patches;
  while (at < end) {
    const struct piece *piece = (const struct piece *)at;
    uint32_t offset = offset_of(piece->address);
    const uint8_t *bytes = undo ? pristine + offset : at + sizeof *piece;
    memcpy(memory + offset, bytes, piece->length);
    memcpy(expected + offset, bytes, piece->length);
    at += sizeof *piece + padded(piece->length);
  }
}

/* Writes the ranges that differ to `out`, and puts back what was there. */
static uint8_t *changes(uint8_t *out, uint32_t from, uint32_t to) {
  for (uint32_t at = from; at < to;) {
    if (*(uint64_t *)(memory + at) == *(uint64_t *)(expected + at)) {
      at += 8;
      continue;
    }
    uint32_t start = at;
    while (at < to && *(uint64_t *)(memory + at) != *(uint64_t *)(expected + at)) at += 8;
    struct piece *piece = (struct piece *)out;
    *piece = (struct piece){ address_of(start), at - start };
    memcpy(piece + 1, memory + start, at - start);
    memcpy(memory + start, expected + start, at - start);
    out += sizeof *piece + (at - start);
  }
  return out;
}

/* ── Entering and leaving a case ────────────────────────────────────────────────────────── */

static void load_fx(ucontext_t *context, const uint8_t *fx, size_t size) {
  uint8_t *area = (uint8_t *)context->uc_mcontext.fpregs;
  memcpy(area, fx, size);
  *(uint32_t *)(area + 24) &= 0xffff; /* MXCSR: reserved bits would be refused */
  *(uint16_t *)(area + 6) &= 0x7ff;
  if (*(uint32_t *)(area + 464) == 0x46505853) *(uint64_t *)(area + 512) |= 3; /* XSTATE_BV: x87 and SSE are there */
}

static void enter(ucontext_t *context) {
  const struct test_case *test = current = (const struct test_case *)next_case;
  greg_t *gregs = context->uc_mcontext.gregs;
  next_case += sizeof *test + test->patches;
  cases_left--;

  memcpy(code_page + test->code_offset, test->code, test->code_length);
  if (test->patches) patch(test, 0);
  for (int i = 0; i < 16; i++) gregs[GPR[i]] = (greg_t)test->gpr[i];
  gregs[REG_RIP] = CODE + test->code_offset;
  gregs[REG_EFL] = (greg_t)test->rflags;
  gregs[REG_CSGSFS] = (greg_t)((uint64_t)USER_DS << 48 | (test->mode == 64 ? USER_CS64 : USER_CS32));
  context->uc_flags |= 6; /* UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS */
  load_fx(context, test->fx, FX_SIZE);
  if (test->mode == 64) {
    set_data_segments(0);
    set_bases(test->fs_base, test->gs_base);
  } else {
    set_data_segments(USER_DS);
  }
  running = 1;
}

static void leave(ucontext_t *context, int signal, const uint16_t selectors[4]) {
  const struct test_case *test = current;
  struct test_result *result = (struct test_result *)next_result;
  const greg_t *gregs = context->uc_mcontext.gregs;
  running = 0;
  cases_done++;

  memset(result, 0, sizeof *result - FX_SIZE);
  result->signal = (uint8_t)signal;
  result->trap = (uint8_t)gregs[REG_TRAPNO];
  result->error = (uint32_t)gregs[REG_ERR];
  result->cr2 = (uint64_t)gregs[REG_CR2];
  result->rip = (uint64_t)gregs[REG_RIP];
  result->rflags = (uint64_t)gregs[REG_EFL];
  result->cs = (uint16_t)gregs[REG_CSGSFS];
  result->ss = (uint16_t)((uint64_t)gregs[REG_CSGSFS] >> 48);
  result->ds = selectors[0];
  result->es = selectors[1];
  result->fs = selectors[2];
  result->gs = selectors[3];
  for (int i = 0; i < 16; i++) result->gpr[i] = (uint64_t)gregs[GPR[i]];
  memcpy(result->fx, context->uc_mcontext.fpregs, FX_SIZE);

  memset(code_page + test->code_offset, 0xcc, test->code_length);
  uint8_t *end = (uint8_t *)(result + 1), *start = end;
  if (memcmp(memory, expected, DATA_WRITABLE)) end = changes(end, 0, DATA_WRITABLE);
  if (memcmp(memory + DATA_SIZE, expected + DATA_SIZE, STACK_SIZE)) end = changes(end, DATA_SIZE, DATA_SIZE + STACK_SIZE);
  result->changes = (uint32_t)(end - start);
  next_result = end;
  if (test->patches) patch(test, 1);
}

static void on_signal(int signal, siginfo_t *info, void *frame) {
  (void)info;
  ucontext_t *context = frame;
  if (signal == SIGPROF) {
    /* A tick: ends the case only if it was running at the tick before. May come anywhere in a case's code. */
    if (!running) return;
    if (cases_at_tick != cases_done) {
      cases_at_tick = cases_done;
      return;
    }
  }
  /* AC, NT and ID of the case are still set here. */
  __asm__ volatile("pushq $2; popfq" : : : "cc", "memory");
  uint16_t selectors[4];
  __asm__ volatile("mov %%ds, %0; mov %%es, %1; mov %%fs, %2; mov %%gs, %3"
                   : "=r"(selectors[0]), "=r"(selectors[1]), "=r"(selectors[2]), "=r"(selectors[3]));
  set_data_segments(0);
  set_bases(main_fs_base, main_gs_base);

  if (running) {
    leave(context, signal, selectors);
  } else {
    memcpy(main_gregs, context->uc_mcontext.gregs, sizeof main_gregs);
    memcpy(main_fx, context->uc_mcontext.fpregs, FX_SIZE);
  }
  if (cases_left) {
    enter(context);
  } else {
    memcpy(context->uc_mcontext.gregs, main_gregs, sizeof main_gregs);
    context->uc_flags |= 6;
    load_fx(context, main_fx, FX_SIZE);
  }
}

/* ── Main ───────────────────────────────────────────────────────────────────────────────── */

static int read_all(void *to, size_t length) {
  for (uint8_t *at = to; length;) {
    ssize_t count = read(0, at, length);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return 0;
    at += count;
    length -= (size_t)count;
  }
  return 1;
}

static void write_all(const void *from, size_t length) {
  for (const uint8_t *at = from; length;) {
    ssize_t count = write(1, at, length);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) exit(1);
    at += count;
    length -= (size_t)count;
  }
}

static void map_view(int file, uint32_t address, size_t size, int protection, off_t offset) {
  void *at = mmap((void *)(uintptr_t)address, size, protection, MAP_SHARED | MAP_FIXED_NOREPLACE | MAP_POPULATE, file,
                  offset);
  if (at != (void *)(uintptr_t)address) fail("mmap");
  /* A page that isn't there yet would give "not present" in the error code of a write that isn't allowed. */
  for (size_t page = 0; page < size; page += PAGE) (void)*(volatile uint8_t *)((uint8_t *)at + page);
  mlock(at, size); /* where it is allowed: keeps them there */
}

static void map_memory(void) {
  const size_t size = PAGE + DATA_SIZE + STACK_SIZE;
  int file = memfd_create("oracle", 0);
  if (file < 0 || ftruncate(file, (off_t)size)) fail("memfd");
  code_page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, file, 0);
  expected = mmap(NULL, DATA_SIZE + STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (code_page == MAP_FAILED || expected == MAP_FAILED) fail("mmap");
  memory = code_page + PAGE;
  memset(code_page, 0xcc, PAGE);
  map_view(file, CODE, PAGE, PROT_READ | PROT_EXEC, 0);
  map_view(file, DATA, DATA_WRITABLE, PROT_READ | PROT_WRITE, PAGE);
  map_view(file, DATA + DATA_WRITABLE, PAGE, PROT_READ, PAGE + DATA_WRITABLE);
  map_view(file, LOW, DATA_WRITABLE, PROT_READ | PROT_WRITE, PAGE);
  map_view(file, LOW + DATA_WRITABLE, PAGE, PROT_READ, PAGE + DATA_WRITABLE);
  map_view(file, STACK, STACK_SIZE, PROT_READ | PROT_WRITE, PAGE + DATA_SIZE);
}

static void install_handlers(void) {
  static uint8_t stack[1 << 17] __attribute__((aligned(64)));
  stack_t alternate = { .ss_sp = stack, .ss_size = sizeof stack };
  if (sigaltstack(&alternate, NULL)) fail("sigaltstack");
  struct sigaction action = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART };
  sigfillset(&action.sa_mask);
  const int signals[] = { SIGSEGV, SIGILL, SIGFPE, SIGBUS, SIGTRAP, SIGPROF };
  for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
    if (sigaction(signals[i], &action, NULL)) fail("sigaction");
  }
  struct itimerval tick = { { 0, 20000 }, { 0, 20000 } };
  if (setitimer(ITIMER_PROF, &tick, NULL)) fail("setitimer");
}

static void say_hello(void) {
  static const uint32_t wanted[][2] = { { 0, 0 }, { 1, 0 }, { 7, 0 }, { 7, 1 }, { 0xd, 0 }, { 0xd, 1 }, { 0x80000000, 0 },
                                        { 0x80000001, 0 }, { 0x80000002, 0 }, { 0x80000003, 0 }, { 0x80000004, 0 },
                                        { 0x80000007, 0 }, { 0x80000008, 0 } };
  enum { LEAVES = sizeof wanted / sizeof *wanted };
  uint8_t fx[512] __attribute__((aligned(16)));
  __asm__ volatile("fxsave64 %0" : "=m"(fx));
  struct hello hello = { "ORACLE1", LEAVES, *(uint32_t *)(fx + 28) };
  write_all(&hello, sizeof hello);
  for (int i = 0; i < LEAVES; i++) {
    struct leaf leaf = { wanted[i][0], wanted[i][1], 0, 0, 0, 0 };
    if (leaf.leaf <= __get_cpuid_max(leaf.leaf & 0x80000000, NULL)) {
      __cpuid_count(leaf.leaf, leaf.subleaf, leaf.eax, leaf.ebx, leaf.ecx, leaf.edx);
    }
    write_all(&leaf, sizeof leaf);
  }
}

static void run_cases(const uint8_t *cases, const struct request *request) {
  /* A result is at most as long as this, its memory all changed included. */
  const size_t largest = sizeof(struct test_result) + DATA_SIZE + STACK_SIZE + 64 * sizeof(struct piece);
  /* Only touched pages cost memory. */
  size_t room = sizeof(struct request) + (size_t)request->count * largest;
  uint8_t *results = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (results == MAP_FAILED) fail("mmap");
  next_case = cases;
  next_result = results + sizeof(struct request);
  cases_left = request->count;
  if (cases_left) __asm__ volatile("int3" : : : "memory", "cc");
  uint32_t length = (uint32_t)(next_result - results - sizeof(struct request));
  *(struct request *)results = (struct request){ CASES, request->count, length, 0 };
  write_all(results, sizeof(struct request) + length);
  munmap(results, room);
}

int main(void) {
  has_fsgsbase = (getauxval(AT_HWCAP2) & 2) != 0;
  syscall(SYS_arch_prctl, 0x1003, &main_fs_base); /* ARCH_GET_FS */
  syscall(SYS_arch_prctl, 0x1004, &main_gs_base); /* ARCH_GET_GS */
  map_memory();
  install_handlers();
  say_hello();

  struct request request;
  while (read_all(&request, sizeof request)) {
    uint8_t *body = malloc(request.length + 8);
    if (!body || !read_all(body, request.length)) return 1;
    if (request.kind == MEMORY && request.length == sizeof pristine) {
      memcpy(pristine, body, sizeof pristine);
      memcpy(memory, body, sizeof pristine);
      memcpy(expected, body, sizeof pristine);
    } else if (request.kind == CASES) {
      run_cases(body, &request);
    } else {
      return 1;
    }
    free(body);
  }
  return 0;
}
