/** How V8 is to treat the thread that runs a guest: the flags are the process's. Nothing of it can show in the guest. */
import { setFlagsFromString } from 'node:v8';

/**
 * Hot code of a guest is WebAssembly. The JavaScript around it is spread over many chips and system instructions, each of
 * which runs a little: optimized as early, and with as much inlined, as is the habit of V8 11, it costs more than it saves. Its defaults
 * in brackets; measured with `npm run bench -- --only boots`.
 */
const V8_11 = [
  '--interrupt-budget=400000', // bytes of bytecode that a function runs before it is optimized (67584)
  '--max-inlined-bytecode-size-cumulative=250', // (920)
];
const EVERY_V8 = [
  '--min-semi-space-size=8', // megabytes for what is young (1): most of what a slice leaves behind is garbage
  '--initial-old-space-size=192', // megabytes, the pages of the past included, after which all of memory is looked through first
];

/** For compiled code of a guest, in versions that are known to have them. */
const WASM = [
  // A proposal that V8 has behind a flag: the many ways out of compiled code are put aside, so that what stays is kept in registers.
  '--experimental-wasm-branch-hinting',
  // In every loop, otherwise. Loops end with the slice, and no function of ours calls itself.
  '--no-wasm-stack-checks',
];
const WASM_KNOWN = { first: 11, last: 14 } as const;

/** The flags for a version of V8. Later ones than 11 have another optimizing compiler between, and other flags. */
export function flagsFor(version: string): readonly string[] {
  const major = Number.parseInt(version, 10);
  return [...(major === 11 ? V8_11 : []), ...(major >= WASM_KNOWN.first && major <= WASM_KNOWN.last ? WASM : []), ...EVERY_V8];
}

/** Before the thread is started. */
export function tuneV8(): void {
  for (const flag of flagsFor(process.versions.v8)) setFlagsFromString(flag);
}
