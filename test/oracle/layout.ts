/** Memory that a case sees, on the processor and on ours; native/oracle.c says the same. */
export const PAGE = 0x1000;
export const CODE = 0x10000000;
export const DATA = 0x20000000;
export const DATA_SIZE = 3 * PAGE;
/** The data pages once more, where 16-bit addresses reach them. */
export const LOW = 0x8000;
export const STACK = 0x30000000;
export const STACK_SIZE = 2 * PAGE;
export const CODE_MAX = 64;

export interface PageMapping {
  readonly linear: number;
  /** Index of the page in [code, data…, stack…]: equal ones are the same memory. */
  readonly backing: number;
  readonly writable: boolean;
  readonly executable: boolean;
}

/** Every page that is mapped, for user mode; nothing else is. */
export const PAGES: readonly PageMapping[] = [
  { linear: CODE, backing: 0, writable: false, executable: true },
  ...[DATA, LOW].flatMap((base) =>
    [0, 1, 2].map((page) => ({
      linear: base + page * PAGE,
      backing: 1 + page,
      writable: page < 2,
      executable: false,
    })),
  ),
  ...[0, 1].map((page) => ({
    linear: STACK + page * PAGE,
    backing: 4 + page,
    writable: true,
    executable: false,
  })),
];

export const BACKING_PAGES = 6;

/** CR0 and CR4 as Linux runs user code: caches on, alignment checks allowed, SSE with exceptions. */
export const CR0_BITS = { PE: 0, MP: 1, ET: 4, NE: 5, WP: 16, AM: 18, PG: 31 } as const;
export const CR4_BITS = { PAE: 5, OSFXSR: 9, OSXMMEXCPT: 10 } as const;
/** Selectors at entry; ES and DS are flat in both modes, FS and GS are null in 64-bit mode and DATA_SELECTOR in 32-bit. */
export const CODE64_SELECTOR = 0x33;
export const CODE32_SELECTOR = 0x23;
export const DATA_SELECTOR = 0x2b;
