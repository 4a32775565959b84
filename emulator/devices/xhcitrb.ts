/** Transfer Request Blocks: xHCI 1.1, 6.4. */

export const TRB = 16;

/** 6.4.6 */
export const TYPE = {
  NORMAL: 1,
  SETUP: 2,
  DATA: 3,
  STATUS: 4,
  ISOCH: 5,
  LINK: 6,
  EVENT_DATA: 7,
  NO_OP: 8,
  ENABLE_SLOT: 9,
  DISABLE_SLOT: 10,
  ADDRESS_DEVICE: 11,
  CONFIGURE_ENDPOINT: 12,
  EVALUATE_CONTEXT: 13,
  RESET_ENDPOINT: 14,
  STOP_ENDPOINT: 15,
  SET_TR_DEQUEUE: 16,
  RESET_DEVICE: 17,
  GET_PORT_BANDWIDTH: 21,
  NO_OP_COMMAND: 23,
  TRANSFER_EVENT: 32,
  COMMAND_COMPLETION: 33,
  PORT_STATUS_CHANGE: 34,
  HOST_CONTROLLER: 37,
  MFINDEX_WRAP: 39,
} as const;

/** Completion codes (6.4.5). */
export const CODE = {
  SUCCESS: 1,
  BABBLE: 3,
  TRANSACTION: 4,
  TRB: 5,
  STALL: 6,
  RESOURCE: 7,
  NO_SLOTS: 9,
  SLOT_NOT_ENABLED: 11,
  ENDPOINT_NOT_ENABLED: 12,
  SHORT_PACKET: 13,
  PARAMETER: 17,
  CONTEXT_STATE: 19,
  EVENT_RING_FULL: 21,
  COMMAND_RING_STOPPED: 24,
  COMMAND_ABORTED: 25,
  STOPPED: 26,
} as const;

export const FLAG = { CYCLE: 0x01, TOGGLE: 0x02, ISP: 0x04, CHAIN: 0x10, IOC: 0x20, IDT: 0x40, BSR: 0x200, DIR_IN: 0x10000, EVENT_DATA: 0x04 } as const;

export interface Trb {
  /** Where it lies. */
  readonly at: number;
  readonly parameter: bigint;
  readonly status: number;
  readonly control: number;
}

export const typeOf = ({ control }: Trb): number => (control >>> 10) & 0x3f;
export const slotOf = ({ control }: Trb): number => control >>> 24;
export const endpointOf = ({ control }: Trb): number => (control >>> 16) & 0x1f;
export const lengthOf = ({ status }: Trb): number => status & 0x1ffff;
export const interrupterOf = ({ status }: Trb): number => status >>> 22;
export const is = ({ control }: Trb, flag: number): boolean => (control & flag) !== 0;

export function decode(at: number, bytes: Uint8Array): Trb {
  const view = new DataView(bytes.buffer, bytes.byteOffset, TRB);
  return { at, parameter: view.getBigUint64(0, true), status: view.getUint32(8, true), control: view.getUint32(12, true) };
}

/** An event; the producer puts the cycle bit in. */
export function encode(parameter: bigint, status: number, control: number): Uint8Array {
  const bytes = new Uint8Array(TRB);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt.asUintN(64, parameter), true);
  view.setUint32(8, status >>> 0, true);
  view.setUint32(12, control >>> 0, true);
  return bytes;
}
