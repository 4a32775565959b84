import type { SystemFunction } from './context';
import { returns } from './return';

/** System functions by the names of their definitions (isa/system.ts). */
export const systemInstructions: Readonly<Record<string, SystemFunction>> = { ...returns };
