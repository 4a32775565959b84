/* All kernels, with counts for about three seconds of QEMU's time each: starting up and compiling are a small part of it. */
#include "integer.c"
#include "float.c"
#ifdef GUEST
#include "system.c"
#endif

static uint64_t nothing(uint64_t n) { return n; }

const struct kernel kernels[] = {
  {"null", nothing, 1},          {"alu", alu, 1125000000},      {"sum", sum, 600000},        {"copy", copy, 300000},
  {"list", list, 360000000},     {"sieve", sieve, 6000},        {"bytecode", bytecode, 33000000}, {"calls", calls, 6000},
  {"strings", strings, 18000},   {"mandelbrot", mandelbrot, 600}, {"dot", dot, 240000},       {"packed", packed, 240000},
  {"vector", vector, 360000000},  {"extended", extended, 18000000},
#ifdef GUEST
  {"faults", faults, 4500},      {"syscalls", syscalls, 12000000}, {"dirty100", dirty100, 40}, {"dirty1000", dirty1000, 40}, {"dirty10000", dirty10000, 40},
  {"switches", switches, 450000},
#endif
  {0, 0, 0},
};
