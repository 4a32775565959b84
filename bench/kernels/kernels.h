/* Kernels that run alike as a bare guest and as a program: each returns a checksum. */
#pragma once
#include <stdint.h>

struct kernel {
  const char *name;
  uint64_t (*run)(uint64_t count);
  uint64_t count;
};
