#include "kernels.h"

static uint64_t alu(uint64_t n) {
  uint64_t a = 1, b = 0x9e3779b97f4a7c15, c = 3;
  for (uint64_t i = 0; i < n; i++) {
    a = a * b + i;
    c ^= a >> 29;
    b += c << 3 | c >> 61;
    a -= b & 0xffff;
  }
  return a ^ b ^ c;
}

static uint64_t words[4096], other[4096];

static uint64_t sum(uint64_t n) {
  uint64_t total = 0;
  for (int i = 0; i < 4096; i++) words[i] = i * 2654435761u;
  for (uint64_t k = 0; k < n; k++)
    for (int i = 0; i < 4096; i++) total += words[i] ^ k;
  return total;
}

static uint64_t copy(uint64_t n) {
  for (int i = 0; i < 4096; i++) words[i] = i;
  for (uint64_t k = 0; k < n; k++) {
    uint64_t *from = k & 1 ? other : words, *to = k & 1 ? words : other;
    for (int i = 0; i < 4096; i++) to[i] = from[i] + 1;
  }
  return words[17] + other[4000];
}

struct node { struct node *next; uint64_t value; };
static struct node nodes[8192];

static uint64_t list(uint64_t n) {
  uint64_t total = 0;
  for (uint32_t i = 0; i < 8192; i++) nodes[i] = (struct node){&nodes[(i * 2053 + 1) & 8191], i};
  struct node *at = nodes;
  for (uint64_t i = 0; i < n; i++, at = at->next) total += at->value;
  return total;
}

static uint8_t flags[65536];

static uint64_t sieve(uint64_t n) {
  uint64_t primes = 0;
  for (uint64_t k = 0; k < n; k++) {
    for (int i = 0; i < 65536; i++) flags[i] = 1;
    for (uint32_t i = 2; i < 65536; i++)
      if (flags[i]) {
        primes++;
        for (uint32_t j = i * 2; j < 65536; j += i) flags[j] = 0;
      }
  }
  return primes;
}

/* A stack machine that runs a loop: a jump table and unpredictable memory. */
static uint64_t bytecode(uint64_t n) {
  static const uint8_t program[] = {1, 7, 2, 3, 4, 1, 3, 5, 6, 1, 1, 4, 7, 0};
  uint64_t stack[16] = {0}, accumulator = 1, pc = 0, left = n;
  uint32_t top = 0;
  for (;;) {
    switch (program[pc++]) {
      case 0: if (--left == 0) return accumulator ^ stack[0]; pc = 0; top &= 7; break;
      case 1: stack[top++ & 15] = program[pc++]; break;
      case 2: accumulator += stack[--top & 15]; break;
      case 3: accumulator ^= accumulator << 13; break;
      case 4: accumulator += stack[top & 15] + pc; break;
      case 5: accumulator ^= accumulator >> 7; break;
      case 6: stack[top & 15] = accumulator; break;
      case 7: accumulator *= 3; break;
    }
  }
}

static uint64_t __attribute__((noinline)) fib(uint64_t n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }

static uint64_t calls(uint64_t n) {
  uint64_t total = 0;
  for (uint64_t i = 0; i < n; i++) total += fib(22) + i;
  return total;
}

static uint8_t text[2][65536];

static uint64_t strings(uint64_t n) {
  for (int i = 0; i < 65536; i++) text[0][i] = i * 7;
  for (uint64_t k = 0; k < n; k++) {
    void *to = text[~k & 1], *from = text[k & 1];
    uint64_t length = 65536 - (k & 63);
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(length) : : "memory");
  }
  return text[0][1234] + text[1][65000];
}
