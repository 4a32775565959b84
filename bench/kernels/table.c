/* All kernels, with counts for about a second of QEMU's time each. */
#include "integer.c"
#include "float.c"
#ifdef GUEST
#include "system.c"
#endif

static uint64_t nothing(uint64_t n) { return n; }

const struct kernel kernels[] = {
  {"null", nothing, 1},          {"alu", alu, 150000000},      {"sum", sum, 40000},        {"copy", copy, 25000},
  {"list", list, 120000000},     {"sieve", sieve, 400},        {"bytecode", bytecode, 8000000}, {"calls", calls, 1500},
  {"strings", strings, 60000},   {"mandelbrot", mandelbrot, 40}, {"dot", dot, 8000},       {"packed", packed, 8000},
  {"vector", vector, 12000000},  {"extended", extended, 6000000},
#ifdef GUEST
  {"faults", faults, 1200},      {"syscalls", syscalls, 6000000}, {"switches", switches, 1500000},
#endif
  {0, 0, 0},
};
