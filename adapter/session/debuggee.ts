/** Between two tellings that the list of checkpoints has changed. */
const CHECKPOINTS_MS = 250;

/** Everything that belongs to one launched guest: the guest, its symbols, and what the client sees of them. */
import { createWriteStream, type WriteStream } from 'node:fs';
import type { Guest, GuestEvent, Stop } from '../../emulator/machine/api';
import { Viewers } from '../../emulator/machine/viewers';
import { listenVnc, type Listening } from '../../emulator/machine/vnc';
import { Breakpoints } from '../breakpoints/store';
import { Listings } from '../disassembly/listing';
import type { Code } from '../disassembly/window';
import type { Names } from '../inspect/expression/condition';
import { evaluate, type Environment, type Value } from '../inspect/expression/evaluate';
import { REGISTER_PARTS, insert } from '../inspect/expression/registers';
import { parse } from '../inspect/expression/syntax';
import { Handles } from '../inspect/handles';
import { Unwinder, type Frame } from '../inspect/unwind';
import { Variables } from '../inspect/variables';
import { MachineView } from '../inspect/view';
import type { LaunchPlan } from '../launch/config';
import { SymbolStore } from '../symbols/store';
import { cannotSet } from './errors';
import { Motion, type MotionListener } from './motion';
import { RfbConnections, type RfbEvents } from './rfb';
import { Screen } from './screen';
import { SerialOutput } from './serial';
import { Stepper } from './stepping';

export interface DebuggeeEvents extends MotionListener {
  output(category: 'console' | 'stdout' | 'stderr' | 'important', text: string): void;
  serial(port: number, bytes: Uint8Array): void;
  checkpointsChanged(): void;
  readonly rfb: RfbEvents;
  progress(position: number, target: number): void;
}

export class Debuggee {
  readonly view: MachineView;
  readonly variables: Variables;
  readonly breakpoints: Breakpoints;
  readonly unwinder: Unwinder;
  readonly listings: Listings;
  readonly motion: Motion;
  readonly stepper: Stepper;
  readonly screen = new Screen();
  readonly viewers: Viewers;
  readonly rfb: RfbConnections;
  private listening: Listening | undefined;
  /** References of memory that the client has open, each with the bytes it has seen of it. */
  readonly openMemory = new Map<string, { first: number; last: number }>();
  /** Addresses that the client may jump to. */
  readonly gotoTargets = new Handles<bigint>();
  private readonly registerNames: ReadonlySet<string>;
  private readonly serial: SerialOutput;
  private readonly serialFile: WriteStream | undefined;
  private readonly unsubscribe: () => void;
  private telling: NodeJS.Timeout | undefined;
  private toTell = false;
  private stacks = new Map<number, Promise<Frame[]>>();

  private constructor(
    readonly guest: Guest,
    readonly plan: LaunchPlan,
    readonly symbols: SymbolStore,
    registerNames: readonly string[],
    private readonly events: DebuggeeEvents,
  ) {
    this.registerNames = new Set(registerNames);
    this.view = new MachineView(guest);
    this.variables = new Variables(this.view);
    this.unwinder = new Unwinder(this.view, symbols);
    this.listings = new Listings(symbols);
    this.breakpoints = new Breakpoints({ symbols, names: this.names, address: async (text) => (await this.evaluate(text, this.focus)).bits });
    this.motion = new Motion(guest, events);
    this.stepper = new Stepper(this);
    this.viewers = new Viewers(guest, 'Guest Debugger');
    this.rfb = new RfbConnections(this.viewers, events.rfb);
    this.serial = new SerialOutput((text) => events.output('stdout', text));
    this.serialFile = plan.serial.to === 'file' ? createWriteStream(plan.serial.path) : undefined;
    this.serialFile?.on('error', (error) => events.output('stderr', `serial line to ${plan.serial.to === 'file' ? plan.serial.path : ''}: ${error.message}\n`));
    this.unsubscribe = guest.on((event) => this.heard(event));
  }

  static async create(guest: Guest, plan: LaunchPlan, symbols: SymbolStore, events: DebuggeeEvents): Promise<Debuggee> {
    const probe = new MachineView(guest);
    const debuggee = new Debuggee(guest, plan, symbols, Object.keys(await probe.registers(0)), events);
    debuggee.motion.last = await debuggee.motion.here({ kind: 'entry' });
    debuggee.settled();
    return debuggee;
  }

  private heard(event: GuestEvent): void {
    switch (event.event) {
      case 'stopped':
        return this.motion.heard(event);
      case 'serial':
        if (event.port === 0) {
          if (this.plan.serial.to === 'console') this.serial.take(event.bytes);
          this.serialFile?.write(event.bytes);
        }
        return this.events.serial(event.port, event.bytes);
      case 'log':
        return this.events.output('console', event.text.endsWith('\n') ? event.text : `${event.text}\n`);
      case 'checkpoints':
        return this.checkpointsChanged();
      case 'progress':
        return this.events.progress(event.position, event.target);
      case 'running':
      case 'hash':
        return;
    }
  }

  /** Told at once, and then so often that somebody can follow: a running guest makes dozens a second. */
  private checkpointsChanged(): void {
    if (this.telling) {
      this.toTell = true;
      return;
    }
    this.toTell = false;
    this.events.checkpointsChanged();
    this.telling = setTimeout(() => {
      this.telling = undefined;
      if (this.toTell) this.checkpointsChanged();
    }, CHECKPOINTS_MS);
    this.telling.unref();
  }

  /** The vCPU that the last stop was about. */
  get focus(): number {
    return this.motion.last?.vcpu ?? 0;
  }

  get stop(): Stop | undefined {
    return this.motion.last;
  }

  /** The guest moves: nothing that was read is true any more. */
  moving(): void {
    this.view.invalidate(false);
    this.stacks = new Map();
  }

  /** The guest stands still, in a state that may be new. */
  settled(): void {
    this.serial.flush();
    this.view.invalidate(true);
    this.stacks = new Map();
  }

  /** All frames of a vCPU's stack, or the first only. */
  stack(vcpu: number): Promise<Frame[]> {
    const known = this.stacks.get(vcpu);
    if (known) return known;
    const frames = this.unwinder.frames(vcpu);
    if (!this.motion.running) this.stacks.set(vcpu, frames);
    return frames;
  }

  async code(vcpu: number): Promise<Code> {
    const { bits } = await this.view.cpu(vcpu);
    return {
      bits,
      read: (address, length) => this.view.read(vcpu, 'linear', address, length),
      anchor: (address) => this.symbols.lines.lookup(address)?.start ?? this.symbols.index.nearest(address)?.symbol.address,
    };
  }

  /** Names for conditions, which are turned into numbers before the guest gets them. */
  get names(): Names {
    return {
      isRegister: (name) => this.registerNames.has(name),
      symbol: (name) => this.symbols.index.find(name)[0]?.address,
      suggestions: () => [...this.registerNames, ...REGISTER_PARTS.keys(), ...this.symbols.index.allNames()],
    };
  }

  get registerList(): readonly string[] {
    return [...this.registerNames];
  }

  /** Is it a part of a register: `eax`, `zf`? */
  isPart(name: string): boolean {
    const part = REGISTER_PARTS.get(name.toLowerCase());
    return part !== undefined && this.registerNames.has(part.whole);
  }

  environment(vcpu: number): Environment {
    return {
      register: async (name) => (await this.view.registers(vcpu))[name],
      symbol: (name) => this.symbols.index.find(name)[0]?.address,
      read: (space, address, size) => this.view.number(vcpu, space, address, size),
      names: async () => this.names.suggestions(),
    };
  }

  evaluate(text: string, vcpu: number): Promise<Value> {
    return evaluate(parse(text), this.environment(vcpu));
  }

  /** Writes a register, a part of one (`eax`, `zf`) or a hidden part (`cs.base`). */
  async setRegister(vcpu: number, name: string, value: bigint): Promise<void> {
    const part = REGISTER_PARTS.get(name);
    const whole = part?.whole ?? name;
    const old = (await this.view.registers(vcpu))[whole];
    const found = await this.variables.registerPath(vcpu, whole);
    if (old === undefined || !found) throw cannotSet(`there is no register '${name}'`);
    if (found.node.writable !== true) throw cannotSet(`'${name}' is read-only`);
    const wanted = part ? insert(old, part, value) : BigInt.asUintN(found.node.width ?? 64, value);
    await this.guest.setVcpuState(vcpu, found.path, wanted);
    this.changed();
  }

  /** The stopped guest has been written to: what was read of it is out of date. */
  changed(): void {
    this.view.invalidate(!this.motion.running);
    this.stacks = new Map();
  }

  /** Opens the VNC port that the launch asks for; tells where it is. */
  async serveVnc(): Promise<string | undefined> {
    if (!this.plan.vnc) return undefined;
    this.listening = await listenVnc(this.viewers, this.plan.vnc);
    return this.listening.where;
  }

  /** Where the launch waits for the first VNC viewer: when it is there. */
  get awaitedViewer(): Promise<void> | undefined {
    return this.plan.vnc?.wait && this.listening?.first;
  }

  async applyTriggers(): Promise<void> {
    await this.guest.setTriggers(this.breakpoints.triggers());
  }

  async close(): Promise<void> {
    this.serial.flush();
    this.viewers.close();
    await this.listening?.close();
    this.unsubscribe();
    clearTimeout(this.telling);
    this.serialFile?.end();
    await this.guest.close();
  }
}
