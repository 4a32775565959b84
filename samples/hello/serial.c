/* The first serial line: a 16550 at 0x3F8. */
#include "hello.h"

enum { COM1 = 0x3f8, DATA = 0, INTERRUPTS = 1, FIFO = 2, LINE = 3, MODEM = 4, STATUS = 5 };
enum { STATUS_RECEIVED = 0x01, STATUS_EMPTY = 0x20 };

void serial_init(void) {
  out8(COM1 + INTERRUPTS, 0);
  out8(COM1 + LINE, 0x80); /* the divisor is reached */
  out8(COM1 + DATA, 1);    /* 115,200 baud */
  out8(COM1 + INTERRUPTS, 0);
  out8(COM1 + LINE, 0x03); /* eight bits, no parity, one stop bit */
  out8(COM1 + FIFO, 0x07);
  out8(COM1 + MODEM, 0x03);
}

void serial_put(char character) {
  while (!(in8(COM1 + STATUS) & STATUS_EMPTY)) {
  }
  out8(COM1 + DATA, (uint8_t)character);
}

void serial_text(const char *text) {
  for (; *text; text++) {
    if (*text == '\n') serial_put('\r');
    serial_put(*text);
  }
}

void serial_number(uint64_t value) {
  char digits[20];
  int count = 0;
  do {
    digits[count++] = (char)('0' + value % 10);
    value /= 10;
  } while (value);
  while (count) serial_put(digits[--count]);
}

int serial_get(void) { return in8(COM1 + STATUS) & STATUS_RECEIVED ? in8(COM1 + DATA) : -1; }
