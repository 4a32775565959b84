/* The same kernels as a program of the host. */
#include "table.c"
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv) {
  for (const struct kernel *k = kernels; k->name; k++)
    if (argc > 1 && !strcmp(k->name, argv[1])) return printf("checksum %016lx\n", k->run(k->count)) < 0;
  return 1;
}
