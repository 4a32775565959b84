/** Commands: xHCI 1.1, 4.6. */
import type { UsbDevice } from './usbdevice';
import {
  CONTEXT,
  DEFAULT_PIPE,
  ENDPOINTS,
  ENDPOINT_STATE,
  ENDPOINT_TYPE,
  endpointAddress,
  endpointContext,
  OutputContext,
  SLOT_STATE,
  slotContext,
  type SlotContext,
} from './xhcicontext';
import type { XhciDma } from './xhcidma';
import { FIRST_USB2_PORT, INTERRUPTERS, PORTS, type SlotState, type XhciState } from './xhciregisters';
import { toPosition } from './xhciring';
import type { Transfers } from './xhcitransfer';
import { CODE, endpointOf, FLAG, is, slotOf, TYPE, typeOf, type Trb } from './xhcitrb';

/** Percent of a port's bandwidth that periodic endpoints may have: at high speed 80, else 90 (USB 2.0, 5.7.4). */
const BANDWIDTH = { high: 80, other: 90 } as const;
const HIGH_SPEED = 3;
const SUPER_SPEED = 4;
/** SET_ADDRESS, which the controller sends itself (4.6.5). */
const setAddress = (value: number) => ({ requestType: 0, request: 5, value, index: 0, length: 0 });
const NOTHING = new Uint8Array(0);

export interface CommandOptions {
  readonly state: () => XhciState;
  readonly dma: XhciDma;
  readonly transfers: Transfers;
  readonly reached: (port: number) => UsbDevice | 'suspended' | undefined;
}

/** A completion code; for Enable Slot the slot that it is about. */
export interface Completion {
  readonly code: number;
  readonly slot: number;
}

/** What the driver wants of a device's contexts (6.2.5). */
interface Input {
  readonly drop: number;
  readonly add: number;
  /** The words of context `index`: 0 for the slot. */
  words(index: number): number[];
}

export class Commands {
  constructor(private readonly options: CommandOptions) {}

  execute(trb: Trb): Completion {
    const type = typeOf(trb);
    if (type === TYPE.ENABLE_SLOT) return this.enableSlot();
    if (type === TYPE.NO_OP_COMMAND) return { code: CODE.SUCCESS, slot: 0 };
    const slot = slotOf(trb);
    if (type === TYPE.GET_PORT_BANDWIDTH) return { code: this.portBandwidth(trb), slot };
    const run = this.slotCommands[type];
    if (!run) return { code: CODE.TRB, slot };
    const { slots } = this.options.state();
    const state = slots[slot - 1];
    return { code: state?.enabled ? run(trb, state, slot) : state ? CODE.SLOT_NOT_ENABLED : CODE.TRB, slot };
  }

  private readonly slotCommands: Readonly<Record<number, (trb: Trb, slot: SlotState, number: number) => number>> = {
    [TYPE.DISABLE_SLOT]: (_, slot) => this.disableSlot(slot),
    [TYPE.ADDRESS_DEVICE]: (trb, slot, number) => this.addressDevice(trb, slot, number),
    [TYPE.CONFIGURE_ENDPOINT]: (trb, slot) => this.configureEndpoint(trb, slot),
    [TYPE.EVALUATE_CONTEXT]: (trb, slot) => this.evaluateContext(trb, slot),
    [TYPE.RESET_ENDPOINT]: (trb, slot) => this.onEndpoint(trb, slot, (output, index) => this.resetEndpoint(slot, output, index)),
    [TYPE.STOP_ENDPOINT]: (trb, slot, number) => this.onEndpoint(trb, slot, (output, index) => this.stopEndpoint(slot, number, output, index)),
    [TYPE.SET_TR_DEQUEUE]: (trb, slot) => this.onEndpoint(trb, slot, (output, index) => this.setDequeue(trb, output, index)),
    [TYPE.RESET_DEVICE]: (_, slot) => this.resetDevice(slot),
  };

  private output(slot: SlotState): OutputContext {
    return new OutputContext(this.options.dma, slot);
  }

  private input(trb: Trb): Input {
    const { dma } = this.options;
    const base = trb.parameter & ~0xfn;
    const [drop, add] = dma.words(base, 2) as [number, number];
    return { drop, add, words: (index) => dma.words(base + BigInt(CONTEXT * (index + 1)), CONTEXT / 4) };
  }

  // ── Slots ────────────────────────────────────────────────────────────────────────────────

  private enableSlot(): Completion {
    const { slots, configure } = this.options.state();
    const index = slots.findIndex(({ enabled }, i) => !enabled && i < (configure & 0xff));
    if (index < 0) return { code: CODE.NO_SLOTS, slot: 0 };
    Object.assign(slots[index]!, { enabled: true, port: 0, context: 0n, ringing: 0, offered: 0 } satisfies SlotState);
    return { code: CODE.SUCCESS, slot: index + 1 };
  }

  private disableSlot(slot: SlotState): number {
    if (slot.context !== 0n) this.output(slot).setSlotState(SLOT_STATE.ENABLED, 0);
    Object.assign(slot, { enabled: false, port: 0, context: 0n, ringing: 0, offered: 0 } satisfies SlotState);
    return CODE.SUCCESS;
  }

  private addressDevice(trb: Trb, slot: SlotState, number: number): number {
    const { state, dma, reached } = this.options;
    const { drop, add, words } = this.input(trb);
    if (drop !== 0 || (add & 3) !== 3) return CODE.TRB;
    const block = is(trb, FLAG.BSR);
    const old = this.output(slot).slotState;
    if (old !== SLOT_STATE.ENABLED && (block || old !== SLOT_STATE.DEFAULT)) return CODE.CONTEXT_STATE;
    const [slotWords, pipe] = [words(0), words(DEFAULT_PIPE)];
    const wanted = slotContext(slotWords);
    if (!validSlot(wanted) || endpointContext(pipe).type !== ENDPOINT_TYPE.CONTROL) return CODE.PARAMETER;
    // One slot a device (4.6.5).
    if (state().slots.some((other) => other !== slot && other.enabled && other.port === wanted.port)) return CODE.TRB;
    const context = dma.quad(state().dcbaap + BigInt(8 * number)) & ~0x3fn;
    if (context === 0n) return CODE.PARAMETER;
    const device = reached(wanted.port);
    if (!device || device === 'suspended') return CODE.TRANSACTION;
    if (!block && device.control(setAddress(number), NOTHING) === 'stall') return CODE.TRANSACTION;
    Object.assign(slot, { port: wanted.port, context, ringing: 0, offered: 0 });
    const output = this.output(slot);
    slotWords[3] = block ? (SLOT_STATE.DEFAULT << 27) >>> 0 : ((SLOT_STATE.ADDRESSED << 27) | number) >>> 0;
    output.setSlot(slotWords);
    output.setEndpoint(DEFAULT_PIPE, pipe, ENDPOINT_STATE.RUNNING);
    return CODE.SUCCESS;
  }

  private resetDevice(slot: SlotState): number {
    const output = this.output(slot);
    if (output.slotState < SLOT_STATE.ADDRESSED) return CODE.CONTEXT_STATE;
    this.dropEndpoints(slot, output, ~3 >>> 0);
    this.options.transfers.silence(slot, DEFAULT_PIPE);
    output.setSlotState(SLOT_STATE.DEFAULT, 0, 1);
    return CODE.SUCCESS;
  }

  // ── Contexts ─────────────────────────────────────────────────────────────────────────────

  private dropEndpoints(slot: SlotState, output: OutputContext, which: number): void {
    for (let index = DEFAULT_PIPE + 1; index <= ENDPOINTS; index++) {
      if (!(which & (1 << index))) continue;
      output.setEndpointState(index, ENDPOINT_STATE.DISABLED);
      this.options.transfers.silence(slot, index);
      this.leave(slot, index);
    }
  }

  private configureEndpoint(trb: Trb, slot: SlotState): number {
    const output = this.output(slot);
    const state = output.slotState;
    if (state < SLOT_STATE.ADDRESSED) return CODE.CONTEXT_STATE;
    // Deconfigure: the input context is of no interest (4.6.6).
    if (is(trb, FLAG.BSR)) {
      this.dropEndpoints(slot, output, ~3 >>> 0);
      output.setSlotState(SLOT_STATE.ADDRESSED, undefined, 1);
      return CODE.SUCCESS;
    }
    const { drop, add, words } = this.input(trb);
    if ((drop & 3) !== 0 || (add & 3) !== 1) return CODE.TRB;
    const { entries, interrupter } = slotContext(words(0));
    const added: { index: number; words: number[] }[] = [];
    for (let index = DEFAULT_PIPE + 1; index <= ENDPOINTS; index++) {
      if (!(add & (1 << index))) continue;
      const context = endpointContext(words(index));
      // There are no streams (HCCPARAMS1.MaxPSASize is 0).
      if (context.type === ENDPOINT_TYPE.NONE || context.streams !== 0 || index > entries) return CODE.PARAMETER;
      added.push({ index, words: words(index) });
    }
    if (interrupter >= INTERRUPTERS) return CODE.PARAMETER;
    this.dropEndpoints(slot, output, drop | add);
    for (const { index, words: context } of added) output.setEndpoint(index, context, ENDPOINT_STATE.RUNNING);
    const any = Array.from({ length: ENDPOINTS - 1 }, (_, i) => i + 2).some((index) => output.endpoint(index).state !== ENDPOINT_STATE.DISABLED);
    output.setSlotState(any ? SLOT_STATE.CONFIGURED : SLOT_STATE.ADDRESSED, undefined, entries);
    return CODE.SUCCESS;
  }

  /** Takes what may change while a device is used: latency and interrupter of the slot, packet size of the default pipe (4.6.7). */
  private evaluateContext(trb: Trb, slot: SlotState): number {
    const output = this.output(slot);
    if (output.slotState < SLOT_STATE.DEFAULT) return CODE.CONTEXT_STATE;
    const { drop, add, words } = this.input(trb);
    if (drop !== 0 || (add & 3) === 0) return CODE.TRB;
    if (add & 1) {
      const [given, words_] = [words(0), output.slotWords()];
      if (slotContext(given).interrupter >= INTERRUPTERS) return CODE.PARAMETER;
      words_[1] = ((words_[1]! & ~0xffff) | (given[1]! & 0xffff)) >>> 0;
      words_[2] = ((words_[2]! & 0x003fffff) | (given[2]! & 0xffc00000)) >>> 0;
      output.setSlot(words_);
    }
    if (add & 2) {
      const [given, pipe] = [words(DEFAULT_PIPE), output.endpointWords(DEFAULT_PIPE)];
      pipe[1] = ((pipe[1]! & 0xffff) | (given[1]! & 0xffff0000)) >>> 0;
      output.setEndpoint(DEFAULT_PIPE, pipe.slice(0, 2), pipe[0]! & 7);
    }
    return CODE.SUCCESS;
  }

  // ── Endpoints ────────────────────────────────────────────────────────────────────────────

  private onEndpoint(trb: Trb, slot: SlotState, run: (output: OutputContext, index: number) => number): number {
    const index = endpointOf(trb);
    if (index < DEFAULT_PIPE) return CODE.TRB;
    if (slot.context === 0n) return CODE.CONTEXT_STATE;
    const output = this.output(slot);
    return output.endpoint(index).state === ENDPOINT_STATE.DISABLED ? CODE.ENDPOINT_NOT_ENABLED : run(output, index);
  }

  private resetEndpoint(slot: SlotState, output: OutputContext, index: number): number {
    if (output.endpoint(index).state !== ENDPOINT_STATE.HALTED) return CODE.CONTEXT_STATE;
    output.setEndpointState(index, ENDPOINT_STATE.STOPPED);
    this.options.transfers.silence(slot, index);
    return CODE.SUCCESS;
  }

  private stopEndpoint(slot: SlotState, number: number, output: OutputContext, index: number): number {
    const { state, position } = output.endpoint(index);
    if (state !== ENDPOINT_STATE.RUNNING) return CODE.CONTEXT_STATE;
    this.options.transfers.stopped(number, index, position);
    output.setEndpointState(index, ENDPOINT_STATE.STOPPED);
    this.options.transfers.silence(slot, index);
    this.leave(slot, index);
    return CODE.SUCCESS;
  }

  private leave(slot: SlotState, index: number): void {
    const device = this.options.reached(slot.port);
    if (device && device !== 'suspended') device.left(endpointAddress(index));
  }

  private setDequeue({ parameter, status }: Trb, output: OutputContext, index: number): number {
    const { state } = output.endpoint(index);
    if (state !== ENDPOINT_STATE.STOPPED && state !== ENDPOINT_STATE.ERROR) return CODE.CONTEXT_STATE;
    if (status >>> 16 !== 0) return CODE.TRB;
    output.move(index, toPosition(parameter));
    output.setEndpointState(index, ENDPOINT_STATE.STOPPED);
    return CODE.SUCCESS;
  }

  /** Port Bandwidth Context (6.2.6): a reserved byte, then one for each port. */
  private portBandwidth(trb: Trb): number {
    const speed = endpointOf(trb) & 0xf;
    const free = (port: number): number => {
      if (port < FIRST_USB2_PORT !== (speed === SUPER_SPEED)) return 0;
      return speed === HIGH_SPEED ? BANDWIDTH.high : BANDWIDTH.other;
    };
    this.options.dma.write(
      trb.parameter & ~0xfn,
      Uint8Array.from({ length: 4 * Math.ceil((PORTS + 1) / 4) }, (_, i) => (i > 0 && i <= PORTS ? free(i) : 0)),
    );
    return CODE.SUCCESS;
  }
}

/** Devices are at root hub ports: there are no hubs. */
const validSlot = ({ route, entries, port, interrupter }: SlotContext): boolean =>
  route === 0 && entries > 0 && port >= 1 && port <= PORTS && interrupter < INTERRUPTERS;
