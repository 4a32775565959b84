import { bit, bits, bool, fields, list, time, u32, u64, type StateOf } from '../bus/fields';

// Registers of the local APIC: Intel SDM volume 3, chapter 11 (APIC) and 11.12 (x2APIC).

const deliveryModes = {
  0: 'Fixed',
  1: 'Lowest priority',
  2: 'SMI',
  4: 'NMI',
  5: 'INIT',
  6: 'Start-up',
  7: 'ExtINT',
};
const VECTOR = bits(7, 0, 'Vector');
const MODE = bits(10, 8, 'Delivery mode', deliveryModes);
const MASK = bit(16, 'Masked');
const MASKED = 0x10000;

const lvt = (about: string) => u32(about, { Vector: VECTOR, DeliveryMode: MODE, Mask: MASK }, MASKED);
const pin = (about: string) =>
  u32(
    about,
    {
      Vector: VECTOR,
      DeliveryMode: MODE,
      Polarity: bit(13, 'Active low'),
      RemoteIRR: bit(14, 'Remote IRR'),
      Trigger: bit(15, 'Level triggered'),
      Mask: MASK,
    },
    MASKED,
  );
const vectors = (about: string) => list(8, about, u32('32 vectors, the lowest in bit 0'));

export const lapicTable = fields({
  base: u64(
    'IA32_APIC_BASE',
    {
      BSP: bit(8, 'Bootstrap processor'),
      EXTD: bit(10, 'x2APIC mode'),
      EN: bit(11, 'Enabled'),
      Base: bits(51, 12, 'Page number of the registers'),
    },
    0xfee00800n,
  ),
  id: u32('APIC id'),
  tpr: u32('Task Priority Register', {
    Class: bits(7, 4, 'Priority class'),
    Subclass: bits(3, 0, 'Subclass'),
  }),
  ldr: u32('Logical Destination Register of xAPIC mode', { LogicalId: bits(31, 24, 'Logical APIC id') }),
  dfr: u32('Destination Format Register', { Model: bits(31, 28, 'Model', { 0: 'Cluster', 15: 'Flat' }) }, 0xffffffff),
  svr: u32(
    'Spurious Interrupt Vector Register',
    {
      Vector: VECTOR,
      Enable: bit(8, 'APIC software enable'),
      Focus: bit(9, 'Focus processor checking off'),
      DirectedEoi: bit(12, 'EOI broadcast suppressed'),
    },
    0xff,
  ),
  esr: u32('Error Status Register, as latched by the last write to it', {
    SendIllegal: bit(5, 'Send illegal vector'),
    ReceiveIllegal: bit(6, 'Receive illegal vector'),
    IllegalRegister: bit(7, 'Illegal register address'),
  }),
  errors: u32('Errors since the last write to the ESR'),
  icrLow: u32('Interrupt Command Register, bits 31-0', {
    Vector: VECTOR,
    DeliveryMode: MODE,
    Logical: bit(11, 'Logical destination'),
    Assert: bit(14, 'Level: assert'),
    Trigger: bit(15, 'Level triggered'),
    Shorthand: bits(19, 18, 'Destination shorthand', { 0: 'None', 1: 'Self', 2: 'All', 3: 'All but self' }),
  }),
  icrHigh: u32('Interrupt Command Register, bits 63-32: destination'),
  lvtTimer: u32(
    'LVT Timer',
    {
      Vector: VECTOR,
      Mask: MASK,
      Mode: bits(18, 17, 'Timer mode', { 0: 'One-shot', 1: 'Periodic', 2: 'TSC deadline' }),
    },
    MASKED,
  ),
  lvtThermal: lvt('LVT Thermal Sensor'),
  lvtPerformance: lvt('LVT Performance Counters'),
  lvtLint0: pin('LVT LINT0'),
  lvtLint1: pin('LVT LINT1'),
  lvtError: u32('LVT Error', { Vector: VECTOR, Mask: MASK }, MASKED),
  isr: vectors('In-Service Register'),
  tmr: vectors('Trigger Mode Register: 1 is level'),
  irr: vectors('Interrupt Request Register'),
  lint0: bool('LINT0 asserted (INTR from the PIC)'),
  lint1: bool('LINT1 asserted (NMI)'),
  extInt: bool('An ExtINT message waits for its acknowledge cycle'),
  initialCount: u32('Timer Initial Count'),
  divide: u32('Timer Divide Configuration', { Low: bits(1, 0, 'Bits 1-0'), High: bit(3, 'Bit 2') }),
  timerStart: time('When the count below was loaded into the timer; Infinity while it stands still'),
  timerCount: u32('Timer count at that time'),
  tscDeadline: u64('IA32_TSC_DEADLINE: the TSC value at which the timer interrupts, 0 for never'),
});
export type LapicState = StateOf<typeof lapicTable>;

/** Register numbers: bits 11-4 of the MMIO offset, bits 7-0 of the MSR number. */
export const Register = {
  Id: 0x02,
  Version: 0x03,
  Tpr: 0x08,
  Apr: 0x09,
  Ppr: 0x0a,
  Eoi: 0x0b,
  Rrd: 0x0c,
  Ldr: 0x0d,
  Dfr: 0x0e,
  Svr: 0x0f,
  Isr: 0x10,
  Tmr: 0x18,
  Irr: 0x20,
  Esr: 0x28,
  IcrLow: 0x30,
  IcrHigh: 0x31,
  LvtTimer: 0x32,
  LvtThermal: 0x33,
  LvtPerformance: 0x34,
  LvtLint0: 0x35,
  LvtLint1: 0x36,
  LvtError: 0x37,
  InitialCount: 0x38,
  CurrentCount: 0x39,
  Divide: 0x3e,
  SelfIpi: 0x3f,
} as const;

/** Writable bits; the others keep their value, and in x2APIC mode raise #GP when set. */
export const writable: Readonly<Record<number, number>> = {
  [Register.Tpr]: 0x000000ff,
  [Register.Eoi]: 0x00000000,
  [Register.Svr]: 0x000013ff,
  [Register.Esr]: 0x00000000,
  [Register.IcrLow]: 0x000ccfff,
  [Register.LvtTimer]: 0x000700ff,
  [Register.LvtThermal]: 0x000107ff,
  [Register.LvtPerformance]: 0x000107ff,
  [Register.LvtLint0]: 0x0001a7ff,
  [Register.LvtLint1]: 0x0001a7ff,
  [Register.LvtError]: 0x000100ff,
  [Register.InitialCount]: 0xffffffff,
  [Register.Divide]: 0x0000000b,
  [Register.SelfIpi]: 0x000000ff,
};

/** Registers that read as a field of the state, in both interfaces. */
export const stored = {
  [Register.Tpr]: 'tpr',
  [Register.Svr]: 'svr',
  [Register.Esr]: 'esr',
  [Register.IcrLow]: 'icrLow',
  [Register.LvtTimer]: 'lvtTimer',
  [Register.LvtThermal]: 'lvtThermal',
  [Register.LvtPerformance]: 'lvtPerformance',
  [Register.LvtLint0]: 'lvtLint0',
  [Register.LvtLint1]: 'lvtLint1',
  [Register.LvtError]: 'lvtError',
  [Register.InitialCount]: 'initialCount',
  [Register.Divide]: 'divide',
} as const satisfies Record<number, keyof LapicState>;

export const lvtFields = ['lvtTimer', 'lvtThermal', 'lvtPerformance', 'lvtLint0', 'lvtLint1', 'lvtError'] as const satisfies readonly (keyof LapicState)[];
