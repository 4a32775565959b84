/* What only a guest can do: faults, system calls from user mode, address spaces. */
#include "kernels.h"

extern uint64_t pml4[512], pdpt[512], pt_high[512], idt[512];
extern void fault_entry(void), syscall_entry(void);
extern uint64_t enter_user(uint64_t entry, uint64_t argument, uint64_t stack);
extern void switch_to(uint64_t **from, uint64_t *to, uint64_t cr3);

#define HIGH 0x40000000ul
#define PAGES 512
#define FRAMES 0x4000000ul

void handle_fault(uint64_t address) { pt_high[(address - HIGH) >> 12] = FRAMES + (address & 0x1ff000) + 7; }

static void gate(int vector, void (*handler)(void)) {
  uint64_t at = (uint64_t)handler;
  idt[vector * 2] = (at & 0xffff) | 8ul << 16 | 0x8e00ul << 32 | (at >> 16 & 0xffff) << 48;
  idt[vector * 2 + 1] = at >> 32;
}

/* Each page is touched, faults and is mapped; then all are taken away. */
static uint64_t faults(uint64_t n) {
  uint64_t total = 0;
  gate(14, fault_entry);
  for (uint64_t k = 0; k < n; k++) {
    for (uint64_t i = 0; i < PAGES; i++) {
      volatile uint64_t *page = (uint64_t *)(HIGH + i * 4096);
      *page = i + k;
      total += *page;
    }
    for (int i = 0; i < PAGES; i++) {
      pt_high[i] = 0;
      __asm__ volatile("invlpg (%0)" : : "r"(HIGH + i * 4096ul) : "memory");
    }
  }
  return total;
}

static void wrmsr(uint32_t msr, uint64_t value) { __asm__ volatile("wrmsr" : : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))); }

static void user(uint64_t n) {
  uint64_t value = 0;
  for (uint64_t i = 0; i < n; i++) {
    uint64_t number = 0;
    __asm__ volatile("syscall" : "+a"(number), "+D"(value) : : "rcx", "r11", "memory");
    value = number;
  }
  __asm__ volatile("syscall" : : "a"(1ul), "D"(value) : "rcx", "r11", "memory");
  __builtin_unreachable();
}

static uint8_t user_stack[4096] __attribute__((aligned(16)));

static uint64_t syscalls(uint64_t n) {
  wrmsr(0xc0000081, 8ul << 32 | 0x18ul << 48);
  wrmsr(0xc0000082, (uint64_t)syscall_entry);
  wrmsr(0xc0000084, 0);
  return enter_user((uint64_t)user, n, (uint64_t)(user_stack + sizeof user_stack - 8));
}

static uint64_t second_pml4[512] __attribute__((aligned(4096)));
static uint64_t task_stack[2048] __attribute__((aligned(16)));
static uint64_t *main_pointer, *task_pointer, task_count;

static void task(void) {
  for (;;) {
    task_count += 3;
    switch_to(&task_pointer, main_pointer, (uint64_t)pml4);
  }
}

/* To and fro between two stacks in two address spaces. */
static uint64_t switches(uint64_t n) {
  for (int i = 0; i < 512; i++) second_pml4[i] = pml4[i];
  task_pointer = task_stack + 2040;
  task_pointer[6] = (uint64_t)task;
  for (uint64_t i = 0; i < n; i++) {
    switch_to(&main_pointer, task_pointer, (uint64_t)second_pml4);
    task_count ^= i;
  }
  return task_count;
}

/* Writes so many pages in every 20 million instructions, about the distance of automatic checkpoints. */
static uint64_t dirty(uint64_t n, uint64_t pages) {
  uint64_t total = 0;
  for (uint64_t k = 0; k < n; k++) {
    for (uint64_t i = 0; i < pages; i++) *(volatile uint64_t *)(FRAMES + i * 4096) = i ^ k;
    for (uint64_t i = 0; i < 5000000; i++) total = total * 5 + i;
  }
  return total + *(volatile uint64_t *)(FRAMES + 99 * 4096);
}
static uint64_t dirty100(uint64_t n) { return dirty(n, 100); }
static uint64_t dirty1000(uint64_t n) { return dirty(n, 1000); }
static uint64_t dirty10000(uint64_t n) { return dirty(n, 10000); }
