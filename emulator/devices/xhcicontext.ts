/** Device contexts, which lie in the guest's memory: xHCI 1.1, 6.2. */
import type { XhciDma } from './xhcidma';
import type { SlotState } from './xhciregisters';
import { fromPosition, toPosition, type Position } from './xhciring';

/** Bytes of a context (HCCPARAMS1.CSZ is 0). */
export const CONTEXT = 32;
export const ENDPOINTS = 31;
export const DEFAULT_PIPE = 1;

export const SLOT_STATE = { ENABLED: 0, DEFAULT: 1, ADDRESSED: 2, CONFIGURED: 3 } as const;
export const ENDPOINT_STATE = { DISABLED: 0, RUNNING: 1, HALTED: 2, STOPPED: 3, ERROR: 4 } as const;
export const ENDPOINT_TYPE = { NONE: 0, ISOCH_OUT: 1, INTERRUPT_OUT: 3, CONTROL: 4, ISOCH_IN: 5, INTERRUPT_IN: 7 } as const;

/** An endpoint's address, by its device context index (4.5.1). */
export const endpointAddress = (index: number): number => (index >> 1) | ((index & 1) << 7);

/** Slot Context (6.2.2). */
export interface SlotContext {
  readonly route: number;
  readonly entries: number;
  readonly port: number;
  readonly interrupter: number;
  readonly state: number;
}
export const slotContext = (words: readonly number[]): SlotContext => ({
  route: words[0]! & 0xfffff,
  entries: words[0]! >>> 27,
  port: (words[1]! >>> 16) & 0xff,
  interrupter: words[2]! >>> 22,
  state: words[3]! >>> 27,
});

/** Endpoint Context (6.2.3). */
export interface EndpointContext {
  readonly state: number;
  readonly streams: number;
  /** Nanoseconds between services. */
  readonly period: number;
  readonly type: number;
  readonly position: Position;
}
const MICROFRAME = 125_000;
export const endpointContext = (words: readonly number[]): EndpointContext => ({
  state: words[0]! & 7,
  streams: (words[0]! >>> 10) & 0x1f,
  period: MICROFRAME * 2 ** Math.min((words[0]! >>> 16) & 0xff, 15),
  type: (words[1]! >>> 3) & 7,
  position: toPosition(BigInt(words[2]!) | (BigInt(words[3]!) << 32n)),
});

/** The output contexts of a slot: the controller's, in the guest's memory. Nothing of them is held anywhere else. */
export class OutputContext {
  constructor(
    private readonly dma: XhciDma,
    private readonly slot: SlotState,
  ) {}

  private at(index: number): bigint {
    return this.slot.context + BigInt(CONTEXT * index);
  }

  slotWords(): number[] {
    return this.dma.words(this.at(0), CONTEXT / 4);
  }
  /** A slot that has never got an address has no contexts. */
  get slotState(): number {
    return this.slot.context === 0n ? SLOT_STATE.ENABLED : slotContext(this.slotWords()).state;
  }
  setSlot(words: readonly number[]): void {
    words.forEach((word, i) => this.dma.setWord(this.at(0) + BigInt(4 * i), word));
  }
  setSlotState(state: number, address = this.slotWords()[3]! & 0xff, entries?: number): void {
    this.dma.setWord(this.at(0) + 12n, ((state << 27) | address) >>> 0);
    if (entries !== undefined) this.dma.setWord(this.at(0), ((this.slotWords()[0]! & 0x07ffffff) | (entries << 27)) >>> 0);
  }

  endpoint(index: number): EndpointContext {
    return endpointContext(this.dma.words(this.at(index), CONTEXT / 4));
  }
  endpointWords(index: number): number[] {
    return this.dma.words(this.at(index), CONTEXT / 4);
  }
  /** A context as the driver gave it, running or not. */
  setEndpoint(index: number, words: readonly number[], state: number): void {
    words.forEach((word, i) => this.dma.setWord(this.at(index) + BigInt(4 * i), i === 0 ? ((word & ~7) | state) >>> 0 : word));
  }
  setEndpointState(index: number, state: number): void {
    this.setEndpoint(index, this.endpointWords(index).slice(0, 1), state);
  }
  move(index: number, position: Position): void {
    const value = fromPosition(position);
    this.dma.setWord(this.at(index) + 8n, Number(value & 0xffffffffn));
    this.dma.setWord(this.at(index) + 12n, Number(value >> 32n));
  }
}
