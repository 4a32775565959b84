/** Parts of registers and flags under their own names: eax and ah of rax, zf of rflags. */

export interface RegisterPart {
  /** The register as the guest names it. */
  readonly whole: string;
  readonly low: number;
  readonly width: number;
}

const FLAG_BITS: Readonly<Record<string, number>> = {
  cf: 0,
  pf: 2,
  af: 4,
  zf: 6,
  sf: 7,
  tf: 8,
  if: 9,
  df: 10,
  of: 11,
  nt: 14,
  rf: 16,
  vm: 17,
  ac: 18,
  vif: 19,
  vip: 20,
  id: 21,
};

function partTable(): ReadonlyMap<string, RegisterPart> {
  const parts = new Map<string, RegisterPart>();
  const add = (name: string, whole: string, low: number, width: number): unknown => parts.set(name, { whole, low, width });
  for (const letter of ['a', 'b', 'c', 'd']) {
    add(`e${letter}x`, `r${letter}x`, 0, 32);
    add(`${letter}x`, `r${letter}x`, 0, 16);
    add(`${letter}l`, `r${letter}x`, 0, 8);
    add(`${letter}h`, `r${letter}x`, 8, 8);
  }
  for (const name of ['si', 'di', 'bp', 'sp']) {
    add(`e${name}`, `r${name}`, 0, 32);
    add(name, `r${name}`, 0, 16);
    add(`${name}l`, `r${name}`, 0, 8);
  }
  for (let index = 8; index < 16; index++) {
    add(`r${index}d`, `r${index}`, 0, 32);
    add(`r${index}w`, `r${index}`, 0, 16);
    add(`r${index}b`, `r${index}`, 0, 8);
  }
  add('eip', 'rip', 0, 32);
  add('ip', 'rip', 0, 16);
  add('pc', 'rip', 0, 64);
  add('sp64', 'rsp', 0, 64);
  add('eflags', 'rflags', 0, 32);
  add('flags', 'rflags', 0, 16);
  add('iopl', 'rflags', 12, 2);
  add('cpl', 'cs', 0, 2);
  for (const [flag, at] of Object.entries(FLAG_BITS)) add(flag, 'rflags', at, 1);
  return parts;
}

export const REGISTER_PARTS = partTable();

export const extract = (value: bigint, part: RegisterPart): bigint => (value >> BigInt(part.low)) & ((1n << BigInt(part.width)) - 1n);

/** `whole` with the part replaced. A write to the low 32 bits clears the rest, as the processor does. */
export function insert(whole: bigint, part: RegisterPart, value: bigint): bigint {
  const mask = (1n << BigInt(part.width)) - 1n;
  if (part.low === 0 && part.width >= 32 && part.whole !== 'rflags') return value & mask;
  return (whole & ~(mask << BigInt(part.low))) | ((value & mask) << BigInt(part.low));
}
