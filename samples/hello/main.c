/*
 * Writes to the serial line, paints the screen, and counts primes at every tenth tick of the timer.
 * Type on the serial line and it answers; 'q' ends the guest through the debug-exit port.
 */
#include "hello.h"

enum { DEBUG_EXIT = 0xf4, CELL = 16, TICKS_PER_STEP = 10 };

struct state {
  uint32_t candidate;
  uint32_t primes;
  uint32_t largest;
};

static struct screen screen;
static struct state state = {.candidate = 2};

static bool is_prime(uint32_t number) {
  for (uint32_t divisor = 2; divisor * divisor <= number; divisor++) {
    if (number % divisor == 0) return false;
  }
  return true;
}

/* One cell for each number: bright where it is prime. */
static void show(uint32_t number, bool prime) {
  uint32_t columns = screen.width / CELL;
  uint32_t x = number % columns * CELL;
  uint32_t y = 192 + number / columns * CELL;
  screen_rectangle(&screen, x + 2, y + 2, CELL - 4, CELL - 4, prime ? 0xffd24a : 0x3a2f66);
}

static void step(struct state *now) {
  bool prime = is_prime(now->candidate);
  if (prime) {
    now->primes++;
    now->largest = now->candidate;
  }
  if (screen.pixels) show(now->candidate, prime);
  now->candidate++;
}

static void report(const struct state *now) {
  serial_text("tick ");
  serial_number(ticks);
  serial_text(": ");
  serial_number(now->primes);
  serial_text(" primes, the largest is ");
  serial_number(now->largest);
  serial_text("\n");
}

static void answer(int character) {
  if (character == 'q') {
    serial_text("Goodbye.\n");
    out8(DEBUG_EXIT, 0);
  }
  serial_text("You typed ");
  serial_put((char)character);
  serial_text("\n");
}

void kernel_main(void *start_info) {
  (void)start_info;
  serial_init();
  serial_text("Hello, guest!\n");
  if (screen_find(&screen)) {
    screen_background(&screen);
    screen_text(&screen, 64, 64, 10, 0xffffff, "Hello, guest!");
  }
  interrupts_init();

  uint64_t next = TICKS_PER_STEP;
  for (;;) {
    __asm__ volatile("hlt");
    int character = serial_get();
    if (character >= 0) answer(character);
    if (ticks < next) continue;
    next += TICKS_PER_STEP;
    step(&state);
    if (state.candidate % 10 == 0) report(&state);
  }
}
