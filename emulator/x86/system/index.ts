import type { SystemFunction } from './context';
import { controlInstructions } from './control-registers';
import { farInstructions } from './far';
import { flagInstructions } from './flags';
import { interruptInstructions } from './interrupts';
import { returns } from './return';
import { segmentInstructions } from './segments';

/** System functions by the names of their definitions (isa/system-*.ts). */
export const systemInstructions: Readonly<Record<string, SystemFunction>> = {
  ...flagInstructions,
  ...controlInstructions,
  ...segmentInstructions,
  ...farInstructions,
  ...interruptInstructions,
  ...returns,
};
