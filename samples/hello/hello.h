/* A kernel small enough to read in one sitting. */
#ifndef HELLO_H
#define HELLO_H

#include <stdbool.h>
#include <stdint.h>

static inline void out8(uint16_t port, uint8_t value) { __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port)); }
static inline void out32(uint16_t port, uint32_t value) { __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port)); }

static inline uint8_t in8(uint16_t port) {
  uint8_t value;
  __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}

static inline uint32_t in32(uint16_t port) {
  uint32_t value;
  __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}

/* serial.c */
void serial_init(void);
void serial_put(char character);
void serial_text(const char *text);
void serial_number(uint64_t value);
int serial_get(void); /* -1 where nothing has come */

/* screen.c */
struct screen {
  uint32_t *pixels;
  uint32_t width, height;
};
bool screen_find(struct screen *screen);
void screen_rectangle(const struct screen *screen, uint32_t x, uint32_t y, uint32_t width, uint32_t height, uint32_t colour);
void screen_background(const struct screen *screen);
void screen_text(const struct screen *screen, uint32_t x, uint32_t y, uint32_t scale, uint32_t colour, const char *text);

/* interrupts.c */
extern volatile uint64_t ticks;
extern volatile uint8_t last_key;
void interrupts_init(void);

#endif
