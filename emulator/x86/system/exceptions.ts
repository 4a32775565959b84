/** Exception vectors (SDM vol. 3, table 6-1). */
export const DE = 0;
export const DB = 1;
export const BP = 3;
export const OF = 4;
export const BR = 5;
export const UD = 6;
export const NM = 7;
export const DF = 8;
export const TS = 10;
export const NP = 11;
export const SS = 12;
export const GP = 13;
export const PF = 14;
export const MF = 16;
export const AC = 17;
export const XM = 19;

/**
 * Thrown by a system function before it has changed anything. Not an Error: guests fault all the time, and
 * nobody reads the stack trace.
 */
export class GuestException {
  constructor(
    readonly vector: number,
    readonly code?: number,
    /** For #PF: the linear address. */
    readonly address?: bigint,
  ) {}
}

export const generalProtection = (code = 0): GuestException => new GuestException(GP, code);
export const undefinedOpcode = (): GuestException => new GuestException(UD);

const CONTRIBUTORY: ReadonlySet<number> = new Set([DE, TS, NP, SS, GP]);

/** What a second exception during delivery of a first becomes (SDM vol. 3, table 6-5). */
export function combine(first: number, second: number): 'serial' | 'double' | 'triple' {
  if (first === DF && (CONTRIBUTORY.has(second) || second === PF)) return 'triple';
  if (CONTRIBUTORY.has(first) && CONTRIBUTORY.has(second)) return 'double';
  if (first === PF && (CONTRIBUTORY.has(second) || second === PF)) return 'double';
  return 'serial';
}
