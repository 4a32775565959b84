/* The framebuffer device (PCI FB5D:40FB): registers behind BAR 0, the picture behind BAR 1. */
#include "hello.h"

enum { CONFIG_ADDRESS = 0xcf8, CONFIG_DATA = 0xcfc };
enum { FBUF_ID = 0x40fbfb5d, BAR0 = 0x10, BAR1 = 0x14 };

/* Registers of the device. */
struct fbuf {
  uint32_t size;
  uint16_t width, height, depth, refresh;
};

static uint32_t pci_read(uint32_t slot, uint32_t offset) {
  out32(CONFIG_ADDRESS, 0x80000000u | slot << 11 | offset);
  return in32(CONFIG_DATA);
}

bool screen_find(struct screen *screen) {
  for (uint32_t slot = 0; slot < 32; slot++) {
    if (pci_read(slot, 0) != FBUF_ID) continue;
    volatile struct fbuf *registers = (volatile struct fbuf *)(uintptr_t)(pci_read(slot, BAR0) & ~0xfu);
    registers->depth = 32;
    screen->pixels = (uint32_t *)(uintptr_t)(pci_read(slot, BAR1) & ~0xfu);
    screen->width = registers->width;
    screen->height = registers->height;
    return true;
  }
  return false;
}

void screen_rectangle(const struct screen *screen, uint32_t x, uint32_t y, uint32_t width, uint32_t height, uint32_t colour) {
  for (uint32_t row = y; row < y + height && row < screen->height; row++) {
    uint32_t *line = screen->pixels + (uint64_t)row * screen->width;
    for (uint32_t column = x; column < x + width && column < screen->width; column++) line[column] = colour;
  }
}

/* Blue at the top, turning to violet. */
void screen_background(const struct screen *screen) {
  for (uint32_t row = 0; row < screen->height; row++) {
    uint32_t shade = row * 96 / screen->height;
    screen_rectangle(screen, 0, row, screen->width, 1, shade << 16 | 0x18 << 8 | (0x60 + shade / 2));
  }
}

/* Five columns of seven dots; bit 0 is the top one. */
static const struct {
  char character;
  uint8_t columns[5];
} FONT[] = {
    {'H', {0x7f, 0x08, 0x08, 0x08, 0x7f}}, {'e', {0x38, 0x54, 0x54, 0x54, 0x18}}, {'l', {0x00, 0x41, 0x7f, 0x40, 0x00}},
    {'o', {0x38, 0x44, 0x44, 0x44, 0x38}}, {',', {0x00, 0x50, 0x30, 0x00, 0x00}}, {'g', {0x08, 0x54, 0x54, 0x54, 0x3c}},
    {'u', {0x3c, 0x40, 0x40, 0x20, 0x7c}}, {'s', {0x48, 0x54, 0x54, 0x54, 0x20}}, {'t', {0x04, 0x3f, 0x44, 0x40, 0x20}},
    {'!', {0x00, 0x00, 0x5f, 0x00, 0x00}},
};

static const uint8_t *glyph(char character) {
  for (unsigned i = 0; i < sizeof FONT / sizeof *FONT; i++)
    if (FONT[i].character == character) return FONT[i].columns;
  return 0;
}

void screen_text(const struct screen *screen, uint32_t x, uint32_t y, uint32_t scale, uint32_t colour, const char *text) {
  for (; *text; text++, x += 6 * scale) {
    const uint8_t *columns = glyph(*text);
    if (!columns) continue;
    for (uint32_t column = 0; column < 5; column++)
      for (uint32_t row = 0; row < 7; row++)
        if (columns[column] >> row & 1) screen_rectangle(screen, x + column * scale, y + row * scale, scale, scale, colour);
  }
}
