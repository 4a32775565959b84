/* Interrupts: the two 8259 controllers, the timer at 100 Hz, the keyboard. */
#include "hello.h"

enum { PIC1 = 0x20, PIC2 = 0xa0, PIT = 0x40, KEYBOARD = 0x60 };
enum { VECTOR_BASE = 0x20, TIMER = VECTOR_BASE + 0, KEY = VECTOR_BASE + 1 };
enum { PIT_HZ = 1193182, TICKS_PER_SECOND = 100 };

volatile uint64_t ticks;
volatile uint8_t last_key;

struct gate {
  uint16_t offset_low, selector;
  uint8_t stack, attributes;
  uint16_t offset_middle;
  uint32_t offset_high, reserved;
} __attribute__((packed));

struct frame;
static struct gate idt[256];

__attribute__((interrupt)) void timer_interrupt(struct frame *frame) {
  (void)frame;
  ticks++;
  out8(PIC1, 0x20); /* end of interrupt */
}

__attribute__((interrupt)) void keyboard_interrupt(struct frame *frame) {
  (void)frame;
  last_key = in8(KEYBOARD);
  out8(PIC1, 0x20);
}

static void gate_set(int vector, void (*handler)(struct frame *)) {
  uint64_t address = (uintptr_t)handler;
  idt[vector] = (struct gate){
      .offset_low = (uint16_t)address,
      .selector = 0x08,
      .attributes = 0x8e, /* present, interrupt gate */
      .offset_middle = (uint16_t)(address >> 16),
      .offset_high = (uint32_t)(address >> 32),
  };
}

static void pic_init(void) {
  out8(PIC1, 0x11);
  out8(PIC2, 0x11);
  out8(PIC1 + 1, VECTOR_BASE);
  out8(PIC2 + 1, VECTOR_BASE + 8);
  out8(PIC1 + 1, 0x04); /* the second controller is at input 2 */
  out8(PIC2 + 1, 0x02);
  out8(PIC1 + 1, 0x01);
  out8(PIC2 + 1, 0x01);
  out8(PIC1 + 1, 0xfc); /* timer and keyboard only */
  out8(PIC2 + 1, 0xff);
}

void interrupts_init(void) {
  gate_set(TIMER, timer_interrupt);
  gate_set(KEY, keyboard_interrupt);
  struct {
    uint16_t limit;
    uint64_t base;
  } __attribute__((packed)) pointer = {sizeof idt - 1, (uintptr_t)idt};
  __asm__ volatile("lidt %0" : : "m"(pointer));
  pic_init();
  uint16_t divisor = PIT_HZ / TICKS_PER_SECOND;
  out8(PIT + 3, 0x34); /* channel 0, both bytes, rate generator */
  out8(PIT, (uint8_t)divisor);
  out8(PIT, (uint8_t)(divisor >> 8));
  __asm__ volatile("sti");
}
