import type { SystemFunction } from './instruction';
import { controlInstructions } from './control-registers';
import { cpuidInstructions } from './cpuid';
import { farInstructions } from './far';
import { environmentInstructions } from './fnsave';
import { flagInstructions } from './flags';
import { fxsaveInstructions } from './fxsave';
import { interruptInstructions } from './interrupts';
import { portInstructions } from './io';
import { legacyInstructions } from './legacy';
import { msrInstructions } from './msr';
import { returns } from './return';
import { segmentInstructions } from './segments';
import { xsaveInstructions } from './xsave';

/** System functions by the names of their definitions (isa/system-*.ts). */
export const systemInstructions: Readonly<Record<string, SystemFunction>> = {
  ...flagInstructions,
  ...controlInstructions,
  ...segmentInstructions,
  ...farInstructions,
  ...interruptInstructions,
  ...returns,
  ...cpuidInstructions,
  ...msrInstructions,
  ...portInstructions,
  ...fxsaveInstructions,
  ...environmentInstructions,
  ...xsaveInstructions,
  ...legacyInstructions,
};
