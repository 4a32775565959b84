/* All kernels, with counts for about a second of QEMU's time each. */
#include "integer.c"
#include "float.c"
#ifdef GUEST
#include "system.c"
#endif

static uint64_t nothing(uint64_t n) { return n; }

const struct kernel kernels[] = {
  {"null", nothing, 1},          {"alu", alu, 375000000},      {"sum", sum, 200000},        {"copy", copy, 100000},
  {"list", list, 120000000},     {"sieve", sieve, 2000},        {"bytecode", bytecode, 11000000}, {"calls", calls, 2000},
  {"strings", strings, 6000},   {"mandelbrot", mandelbrot, 200}, {"dot", dot, 80000},       {"packed", packed, 80000},
  {"vector", vector, 120000000},  {"extended", extended, 6000000},
#ifdef GUEST
  {"faults", faults, 1500},      {"syscalls", syscalls, 4000000}, {"dirty100", dirty100, 40}, {"dirty1000", dirty1000, 40}, {"dirty10000", dirty10000, 40},
  {"switches", switches, 150000},
#endif
  {0, 0, 0},
};
