/** Registers of the NVMe controller: NVM Express Base Specification 1.4, 3.1. */
import { bit, bits, bool, fields, group, list, queue, time, u16, u32, u64, u8, type StateOf } from '../bus/fields';
import { msixFields } from './msix';
import { pciHeader } from './pcifunction';

/** Queues of each kind, the admin queue among them. */
export const QUEUES = 9;
export const VECTORS = QUEUES;
export const MOST_ENTRIES = 1024;
/** Asynchronous events that may be waited for; none ever comes. */
export const MOST_EVENTS = 4;

export const REGISTER = {
  CAP: 0x00, CAP_HIGH: 0x04, VS: 0x08, INTMS: 0x0c, INTMC: 0x10, CC: 0x14, CSTS: 0x1c, AQA: 0x24, ASQ: 0x28, ASQ_HIGH: 0x2c, ACQ: 0x30, ACQ_HIGH: 0x34,
} as const; // prettier-ignore
export const DOORBELLS = 0x1000;
export const MSIX_TABLE = 0x2000;
export const MSIX_PENDING = 0x3000;
export const WINDOW = 0x4000;

export const CC = { EN: 1, SHN: 0xc000 } as const;
export const CSTS = { RDY: 1, CFS: 2, SHST_COMPLETE: 8 } as const;

export const SUBMISSION = 64;
export const COMPLETION = 16;

const submissionFields = fields({
  base: u64('Address of the ring'),
  size: u16('Entries; 0: there is no such queue'),
  completion: u16('Completion queue that it uses'),
  head: u16('Head: entry that comes next'),
  tail: u16('Tail: as the driver said'),
});
const completionFields = fields({
  base: u64('Address of the ring'),
  size: u16('Entries; 0: there is no such queue'),
  interrupts: bool('Interrupts are enabled'),
  vector: u16('Interrupt vector'),
  head: u16('Head: as the driver said'),
  tail: u16('Tail: entry that is written next'),
  phase: bool('Phase tag of what is written next', true),
});
export type SubmissionState = StateOf<typeof submissionFields>;
export type CompletionState = StateOf<typeof completionFields>;

export const nvmeTable = fields({
  config: group('PCI configuration header', pciHeader),
  msix: group('MSI-X', msixFields(VECTORS)),
  intm: u32('Interrupt mask, for the pin'),
  cc: u32('Controller Configuration', { EN: bit(0, 'Enable'), SHN: bits(15, 14, 'Shutdown Notification') }),
  csts: u32('Controller Status', { RDY: bit(0, 'Ready'), CFS: bit(1, 'Controller Fatal Status'), SHST: bits(3, 2, 'Shutdown Status') }),
  aqa: u32('Admin Queue Attributes', { ASQS: bits(11, 0, 'Submission entries'), ACQS: bits(27, 16, 'Completion entries') }),
  asq: u64('Admin Submission Queue Base Address'),
  acq: u64('Admin Completion Queue Base Address'),
  submissions: list(QUEUES, 'Submission queues', group('A submission queue', submissionFields)),
  completions: list(QUEUES, 'Completion queues', group('A completion queue', completionFields)),
  next: u8('Submission queue that is looked at next'),
  events: queue(2 * MOST_EVENTS, 'Identifiers of Asynchronous Event Requests that wait'),
  arbitration: u32('Feature 01h'),
  power: u32('Feature 02h'),
  temperature: u32('Feature 04h', undefined, 0x0157),
  recovery: u32('Feature 05h'),
  writeCache: bool('Feature 06h', true),
  coalescing: u32('Feature 08h'),
  atomicity: u32('Feature 0Ah'),
  eventConfiguration: u32('Feature 0Bh'),
  due: time('When the next command is done'),
});
export type NvmeState = StateOf<typeof nvmeTable>;
