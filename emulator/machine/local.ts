import type { Nanoseconds } from '../bus/device';
import type { EngineBinaries } from '../engine/wasm-module';
import { EmulatorError, internalError, userError } from '../errors';
import { VIRTIO_CONSOLE } from './api';
import type {
  CheckpointInfo, Frame, FrameChanges, Guest, GuestEvent, MachineConfig, Position, Profile, RunLimits, SaveOptions, StateNode, Status, StepKind, Stop, StopReason, Thumbnail,
  TimelineInfo, Trigger,
} from './api'; // prettier-ignore
import type { Images } from './images';
import { Chronicle } from './chronicle';
import { INSTRUCTION_NS } from './clock';
import type { History, HistoryContext, MakeHistory, Past } from './history';
import { applyInput } from './inputs';
import { deviceNodes, registersOf, vcpuNodes } from './inspect';
import type { Input } from './journal';
import { Machine } from './machine';
import { MemoryAccess } from './memory';
import { NetworkLink, type OutsideNetwork } from './networklink';
import { Output } from './output';
import { Leash, Slices, type Pace } from './pace';
import { RunLoop, type Halt } from './runloop';
import { Sampler } from './profile';
import { readCoarseFrame, readFrame, screenSize } from './screen';
import { ScreenChanges } from './screenchanges';
import { ScreenText } from './screentext';
import { ScreenWatch } from './screenwatch';
import { StateHash } from './state';
import { Stepping } from './stepping';
import { COARSE_WIDTH } from './thumbnail';
import { timelineOf } from './timeline';
import type { Trace } from './trace';
import { Triggers } from './triggers';
import { VariableStore } from './varstore';

/** The largest coordinate that a tablet tells. */
const TABLET_RANGE = 0x7fff;
/** Longest read or write of memory in one message. */
const MEMORY_MESSAGE = 64 << 20;

/** How a motion ended; without a vCPU it is the one whose turn it is. */
interface Ending {
  readonly reason: StopReason;
  readonly vcpu?: number;
}

export interface LocalOptions {
  readonly images: Images;
  readonly binaries: EngineBinaries;
  readonly pace: Pace;
  readonly history?: MakeHistory;
  /** Puts the machine into another state than that at power-on, before anything is recorded. */
  readonly begin?: (machine: Machine) => void;
  /** What is left of that, done while the guest runs, until `ended`. */
  readonly rest?: (ended: () => boolean) => Promise<void>;
  /** The guest is closed: nothing of that is needed any more. */
  readonly end?: () => Promise<void>;
  /** Writes a snapshot of the machine, with its images, so that it is whole by itself. */
  readonly save?: (machine: Machine, images: Images, path: string, options?: SaveOptions, past?: Past) => Promise<void>;
  readonly trace?: Trace | undefined;
  /** The host's side of the guest's network. */
  readonly network?: OutsideNetwork | undefined;
  /** Random bytes of the host's, for a guest that is to have them. */
  readonly entropy?: (length: number) => Uint8Array;
  /** Writes firmware's variable store back. */
  readonly keepVars?: (bytes: Uint8Array) => Promise<void>;
  /** Brings what was written to disks to where it is to last. */
  readonly keepDisks?: { keep(): Promise<void> };
}

/** A guest that runs in this thread, in slices of a few milliseconds. */
export class LocalGuest implements Guest {
  readonly config: MachineConfig;
  private readonly loop: RunLoop;
  private readonly memory: MemoryAccess;
  private readonly slices: Slices;
  private readonly stepping: Stepping;
  private readonly hash: StateHash;
  private readonly history: History | undefined;
  private readonly vars: VariableStore | undefined;
  private readonly link: NetworkLink | undefined;
  private motion: Promise<void> | undefined;
  private interrupted = false;
  private closed = false;
  private resting: Promise<void> | undefined;
  private pointerAt: { x: number; y: number } | undefined;
  /** Ends the wait of an idle machine. */
  private wake: () => void = () => undefined;
  /** A text that `resume` was to wait for has come. */
  private textSeen = false;
  private speed = { instructions: 0, milliseconds: 0 };
  private sampler: Sampler | undefined;
  private readonly screen: ScreenChanges;
  private readonly chronicle = new Chronicle();
  private readonly reader: ScreenText;

  private constructor(
    readonly machine: Machine,
    private readonly output: Output,
    private readonly triggers: Triggers,
    private readonly options: LocalOptions,
  ) {
    this.config = machine.config;
    this.loop = new RunLoop(machine, (input) => applyInput(machine, input));
    this.memory = new MemoryAccess(machine.engine);
    this.slices = new Slices(options.pace);
    this.hash = new StateHash(machine);
    this.screen = new ScreenChanges(machine);
    this.reader = new ScreenText(machine);
    triggers.attach(machine);
    machine.host.overdue = () => this.slices.overdue();
    const yielding = (): Promise<void> => options.pace.yield();
    const interrupted = (): boolean => this.interrupted;
    const slice = (): number => this.slices.instructions;
    const { pace } = options;
    const spent = (): number => (pace.spent ? pace.spent() : pace.now());
    const { chronicle } = this;
    const advance = (limit: Position): Halt | undefined =>
      this.slices.measure(
        () => this.loop.advance(limit),
        () => machine.position,
      );
    const { network } = machine.board;
    if (network && options.network) {
      this.link = new NetworkLink(network.user, options.network, options.begin !== undefined);
      options.network.arrived = () => this.wake();
    }
    const listening = async (): Promise<void> => {
      await options.pace.yield();
      this.hear();
    };
    this.stepping = new Stepping(machine, this.loop, triggers, { slice, advance, yield: listening, interrupted, moved: () => this.moved() });
    for (const disk of machine.disks) disk.failed = (error) => this.tell(error);
    if (options.keepVars) this.vars = new VariableStore(machine, options.keepVars, (text) => output.emit({ event: 'log', text }));
    if (this.config.historyBytes > 0 && options.history) {
      const changed = this.screen.teller();
      const context: HistoryContext = {
        machine, loop: this.loop, triggers, yield: yielding, interrupted, slice, spent, advance,
        progress: (position: Position, target: Position) => output.emit({ event: 'progress', position, target }),
        changed: () => output.emit({ event: 'checkpoints' }),
        made: (id: number, kept: boolean) => chronicle.picture(id, machine.clock.now(), kept, changed, () => readCoarseFrame(machine.board, COARSE_WIDTH)),
        left: (branch: number, position: Position) => chronicle.left(branch, position),
        came: (branch: number) => {
          chronicle.came(branch);
          this.link?.detach();
        },
        told: (...given) => chronicle.told(...given),
        pictureBytes: () => chronicle.bytes,
        brought: (...given) => chronicle.brought(...given),
      }; // prettier-ignore
      this.history = options.history(context, this.config.historyBytes, this.config.checkpointEvery);
    }
  }

  /** Throws EmulatorError with blame `user` for a bad configuration or image. */
  static async create(config: MachineConfig, options: LocalOptions): Promise<LocalGuest> {
    if (config.rngSeed === 'host' && !options.entropy) throw internalError('entropy', "the guest is to have the host's entropy, and nobody gives it");
    let machine: Machine | undefined;
    const output = new Output(() => machine?.position ?? 0);
    const triggers = new Triggers((text) => output.log(text));
    let guest: LocalGuest | undefined;
    const serial = (port: number, byte: number): boolean => {
      const stop = output.byte(port, byte);
      if (stop && guest) guest.textSeen = true;
      return stop;
    };
    machine = await Machine.create(
      config,
      options.images,
      options.binaries,
      { serial, network: (number, command) => guest?.link?.command(number, command) },
      { traps: triggers, clock: () => options.pace.now(), trace: options.trace, empty: options.begin !== undefined },
    );
    options.begin?.(machine);
    const made = new LocalGuest(machine, output, triggers, options);
    made.resting = options.rest?.(() => made.closed).catch((error: unknown) => made.tell(error));
    return (guest = made);
  }

  on(listener: (event: GuestEvent) => void): () => void {
    return this.output.on(listener);
  }

  status(): Promise<Status> {
    const { machine, history, speed } = this;
    const { position } = machine;
    return Promise.resolve({
      running: this.motion !== undefined,
      position,
      instructions: machine.clock.instructions(),
      time: machine.clock.now(),
      oldest: history?.oldest ?? position,
      newest: history?.newest ?? position,
      mips: speed.milliseconds > 0 ? speed.instructions / speed.milliseconds / 1000 : 0,
      historyBytes: history?.bytes ?? 0,
    });
  }

  // ── Motion ───────────────────────────────────────────────────────────────────────────────

  /** One motion at a time; it ends in one `stopped` event. */
  private begin(run: () => Promise<Ending>): Promise<void> {
    if (this.closed) return Promise.reject(userError('closed', 'the guest has been closed'));
    if (this.motion) return Promise.reject(userError('running', 'the guest is running'));
    this.interrupted = false;
    this.output.emit({ event: 'running' });
    this.motion = run()
      .catch((error: unknown): Ending => ({ reason: errorReason(error) }))
      .then(async ({ reason, vcpu }: Ending) => {
        await this.vars?.keep();
        // Whoever closes a guest that is off may not wait.
        if (this.machine.off) await this.keepDisks();
        this.triggers.setMode('run');
        this.output.await([]);
        this.output.flush();
        this.output.silent = false;
        this.motion = undefined;
        const stop = this.stop(reason, vcpu);
        this.chronicle.stopped(stop);
        this.output.emit({ event: 'stopped', stop });
      });
    return Promise.resolve();
  }

  private stop(reason: StopReason, vcpu = this.machine.engine.current): Stop {
    const { machine } = this;
    return { reason, vcpu, position: machine.position, time: machine.clock.now(), rip: machine.vcpus.at(vcpu).rip };
  }

  /** After every stretch of running. */
  private moved(): void {
    this.output.flush();
    this.link?.flush();
    this.history?.visit();
    this.vars?.look(this.options.pace.now());
  }

  resume(limits: RunLimits = {}): Promise<void> {
    return this.begin(() => this.run(limits));
  }

  private async run(limits: RunLimits): Promise<Ending> {
    const { hashEvery, unattended = false, serial, sampleEvery, span } = limits;
    const { machine, slices, options } = this;
    let limit = limits.position ?? Infinity;
    if (span) limit = Math.min(limit, machine.position + Math.ceil(span.time / INSTRUCTION_NS));
    const end = span ? machine.clock.now() + span.time : Infinity;
    const watch = limits.screen && new ScreenWatch(machine, this.reader, limits.screen);
    const start = machine.position;
    if (sampleEvery !== undefined && this.sampler?.every !== sampleEvery) this.sampler = new Sampler(machine, sampleEvery);
    const sampler = sampleEvery === undefined ? undefined : this.sampler;
    this.output.await(serial?.map((text) => latin1(text)) ?? []);
    this.textSeen = false;
    this.speed = { instructions: 0, milliseconds: 0 };
    // A position has its state when all its inputs have come: when the machine goes on, or the run ends.
    let hashed = start;
    const tellHash = (): void => {
      const { position } = machine;
      if (!hashEvery || position % hashEvery !== 0 || position === hashed) return;
      hashed = position;
      this.output.emit({ event: 'hash', position, hash: this.hash.current() });
    };
    let leash = unattended ? undefined : new Leash(options.pace, machine.clock.now());
    try {
      for (;;) {
        if (machine.position >= limit) {
          // A checkpoint that was gone back to may stand before inputs of this very position.
          if (machine.journal.nextPosition <= machine.position) this.loop.advance(machine.position);
          return { reason: { kind: 'limit' } };
        }
        this.hear();
        tellHash();
        // Whoever waits for the host does so in the host's time.
        const online = this.link?.awaits === true || listens(this.config);
        if (unattended) leash = online ? (leash ?? new Leash(options.pace, machine.clock.now())) : undefined;
        const nextHash = hashEvery ? (Math.floor(machine.position / hashEvery) + 1) * hashEvery : Infinity;
        const target = Math.min(
          limit,
          nextHash,
          this.history?.due ?? Infinity,
          sampler?.due ?? Infinity,
          watch?.due.position ?? Infinity,
          machine.position + slices.instructions,
        );
        const until = Math.min(end, watch?.due.time ?? Infinity, leash?.limit(machine.clock.now()) ?? Infinity);
        const halt = this.slice(target, until);
        const ending = halt && this.judge(halt, start);
        this.moved();
        sampler?.visit();
        if (watch?.isDue(halt) && watch.look(halt)) return { reason: { kind: 'limit' } };
        if (halt?.kind === 'ahead' && halt.due > end && until === end) {
          if (span?.whole) this.slice(machine.position + 1);
          return { reason: { kind: 'limit' } };
        }
        const waits = halt?.kind === 'ahead' || ending?.reason.kind === 'idle';
        if (waits && this.entropyWanted > 0) {
          // For what `hear` is about to give it.
        } else if (halt?.kind === 'ahead') await (leash && this.rest(leash.wait(halt.due)));
        else if (ending?.reason.kind === 'idle' && (!unattended || online) && machine.vcpus.wakeable()) await this.rest();
        else if (ending) return ending;
        await options.pace.yield();
        if (this.interrupted) return { reason: { kind: 'pause' } };
      }
    } finally {
      tellHash();
    }
  }

  private slice(target: Position, until?: Nanoseconds): Halt | undefined {
    const { machine, options, slices, speed } = this;
    const [from, began] = [machine.clock.instructions(), options.pace.now()];
    const halt = slices.measure(
      () => this.loop.advance(target, until),
      () => machine.position,
    );
    speed.instructions += machine.clock.instructions() - from;
    speed.milliseconds += options.pace.now() - began;
    return halt;
  }

  private judge(halt: Halt, start: Position): Ending | undefined {
    const hit = this.triggers.judge(halt);
    const ending = (reason: StopReason): Ending => ({ reason, vcpu: this.loop.ran });
    switch (halt.kind) {
      case 'breakpoint':
        // The one at the place where the run began has been seen.
        return this.machine.position === start ? undefined : hit;
      case 'watchpoint':
        return hit;
      case 'request':
        return hit ?? (this.textSeen ? ending({ kind: 'limit' }) : undefined);
      case 'shutdown':
        return ending({ kind: 'shutdown', description: 'triple fault: an exception could not be delivered, nor could the double fault' });
      case 'error':
        return ending(errorReason(halt.error));
      case 'ahead':
        return undefined;
      default:
        return ending(halt);
    }
  }

  /** The guest waits for time to pass, or for an input. */
  private async rest(milliseconds?: number): Promise<void> {
    await new Promise<void>((resolve) => {
      this.wake = resolve;
      if (milliseconds !== undefined) void this.options.pace.sleep(milliseconds).then(resolve);
    });
    this.wake = () => undefined;
  }

  async pause(): Promise<void> {
    this.interrupted = true;
    this.wake();
    await this.motion;
  }

  async step(kind: StepKind, vcpu: number): Promise<void> {
    this.checkVcpu(vcpu);
    await this.begin(async () => {
      const end = await this.stepping.step(kind, vcpu);
      switch (end.kind) {
        case 'done':
          return { reason: { kind: this.interrupted ? 'pause' : 'step' }, vcpu };
        case 'hit':
          return end.hit;
        case 'halt':
          return this.judge(end.halt, -1) ?? { reason: { kind: 'step' }, vcpu };
      }
    });
  }

  /** Moves through history: nothing is printed, and what stops is history's to say. */
  private past(move: (history: History) => Promise<Ending>): Promise<void> {
    const { history } = this;
    if (!history) return Promise.reject(userError('no-history', 'history is switched off for this guest'));
    return this.begin(async () => {
      this.output.flush();
      this.output.silent = true;
      this.triggers.setMode('off');
      return move(history);
    });
  }

  async stepBack(vcpu: number): Promise<void> {
    this.checkVcpu(vcpu);
    await this.past(async (history) => {
      const found = await history.stepBack(vcpu);
      return { reason: { kind: this.interrupted ? 'pause' : found ? 'step' : 'history-start' }, vcpu };
    });
  }
  reverseContinue(): Promise<void> {
    return this.past(async (history) => (await history.reverseContinue()) ?? { reason: { kind: this.interrupted ? 'pause' : 'history-start' } });
  }
  travel(position: Position): Promise<void> {
    return this.past(async (history) => {
      await history.travel(position);
      return { reason: { kind: this.interrupted ? 'pause' : 'step' } };
    });
  }
  restore(id: number): Promise<void> {
    return this.past(async (history) => {
      await history.restore(id);
      return { reason: { kind: 'step' } };
    });
  }
  async reset(): Promise<void> {
    await this.input({ kind: 'reset' });
    if (!this.motion) this.output.emit({ event: 'stopped', stop: this.stop({ kind: 'reset' }) });
  }
  setTriggers(triggers: readonly Trigger[]): Promise<void> {
    return now(() => this.triggers.set(triggers));
  }

  checkpoint(name?: string): Promise<CheckpointInfo> {
    return now(() => {
      if (!this.history) throw userError('no-history', 'history is switched off for this guest');
      return this.history.checkpoint(name);
    });
  }
  checkpoints(): Promise<readonly CheckpointInfo[]> {
    return Promise.resolve(this.history?.list() ?? []);
  }
  timeline(): Promise<TimelineInfo> {
    return now(() => timelineOf(this.machine, this.history, this.chronicle));
  }
  thumbnails(checkpoints: readonly number[]): Promise<readonly Thumbnail[]> {
    return now(() => this.chronicle.thumbnails(checkpoints));
  }
  stateHash(): Promise<string> {
    return now(() => this.hash.current());
  }

  profile(): Promise<Profile> {
    return now(() => (this.sampler ?? new Sampler(this.machine, Infinity)).profile());
  }

  // ── State ────────────────────────────────────────────────────────────────────────────────

  private checkVcpu(vcpu: number): void {
    if (!Number.isInteger(vcpu) || vcpu < 0 || vcpu >= this.config.cpus) throw userError('no-vcpu', `there is no vCPU ${vcpu}`);
  }
  private of<T>(vcpu: number, read: () => T): Promise<T> {
    return now(() => {
      this.checkVcpu(vcpu);
      return read();
    });
  }

  vcpuState(vcpu: number): Promise<readonly StateNode[]> {
    return this.of(vcpu, () => vcpuNodes(this.machine, vcpu));
  }
  deviceState(): Promise<readonly StateNode[]> {
    return now(() => deviceNodes(this.machine.devices));
  }
  registers(vcpu: number): Promise<Readonly<Record<string, bigint>>> {
    return this.of(vcpu, () => registersOf(this.machine, vcpu));
  }
  async setVcpuState(vcpu: number, path: readonly string[], value: bigint): Promise<void> {
    this.checkVcpu(vcpu);
    await this.input({ kind: 'vcpu', vcpu, path: [...path], value });
  }
  setDeviceState(path: readonly string[], value: bigint): Promise<void> {
    return this.input({ kind: 'device', path: [...path], value });
  }
  readMemory(vcpu: number, space: 'linear' | 'physical', address: bigint, length: number): Promise<Uint8Array> {
    return this.of(vcpu, () => this.memory.read(vcpu, space, address, Math.min(length, MEMORY_MESSAGE)));
  }
  async writeMemory(vcpu: number, space: 'linear' | 'physical', address: bigint, bytes: Uint8Array): Promise<number> {
    this.checkVcpu(vcpu);
    let written = 0;
    for (const piece of this.memory.targets(vcpu, space, address, bytes)) {
      await this.input({ kind: 'memory', address: piece.physical, bytes: piece.bytes });
      written += piece.bytes.length;
    }
    return written;
  }
  translate(vcpu: number, linear: bigint): Promise<bigint | undefined> {
    return this.of(vcpu, () => {
      const physical = this.memory.translate(vcpu, linear);
      return physical === undefined ? undefined : BigInt(physical);
    });
  }
  memoryMap(): ReturnType<Guest['memoryMap']> {
    const ram = { first: 0n, last: BigInt(this.config.memory - 1), owner: 'ram', space: 'memory' as const };
    const order = (a: { first: bigint }, b: { first: bigint }): number => (a.first < b.first ? -1 : 1);
    return now(() => [ram, ...this.machine.bus.map()].sort((a, b) => a.space.localeCompare(b.space) || order(a, b)));
  }
  frame(): Promise<Frame | undefined> {
    return now(() => readFrame(this.machine.board));
  }
  text(): Promise<string | undefined> {
    return now(() => {
      this.reader.learn();
      return this.reader.read(readFrame(this.machine.board)).join('\n') || undefined;
    });
  }
  frameChanges(since: number): Promise<FrameChanges | undefined> {
    return now(() => this.screen.since(since));
  }

  // ── What a guest asks the host for ───────────────────────────────────────────────────────

  /** Whether the machine stands at the end of its history: there something can come from outside without putting an end to a future. */
  private get live(): boolean {
    const { machine, history } = this;
    return !machine.journal.replaying && machine.position >= (history?.newest ?? 0);
  }

  /** Bytes that the entropy device waits for, where no recorded future has them. */
  private get entropyWanted(): number {
    return this.options.entropy && this.live ? (this.machine.board.entropy?.wanted ?? 0) : 0;
  }

  /** What has come from the host becomes a part of the history. */
  private hear(): void {
    const wanted = this.entropyWanted;
    if (wanted > 0) this.loop.inject({ kind: 'entropy', bytes: this.options.entropy!(wanted) });
    if (!this.link || !this.live) return;
    const news = this.link.news();
    if (news.length === 0) return;
    this.loop.inject({ kind: 'network', news });
    if (!this.history) this.machine.journal.forget(this.machine.journal.cursor);
    this.link.flush();
  }

  // ── Inputs ───────────────────────────────────────────────────────────────────────────────

  /** Something from outside, at the position where the machine stands between two slices. */
  private input(input: Input): Promise<void> {
    return now(() => {
      if (this.closed) throw userError('closed', 'the guest has been closed');
      if (this.output.silent) throw userError('travelling', 'the guest is moving through its history');
      const { live } = this;
      this.loop.inject(input);
      // Another future: the host's connections belong to the one that was left.
      if (!live) this.link?.detach();
      this.output.flush();
      this.output.branch();
      this.history?.branched();
      this.wake();
    });
  }
  serialInput(port: number, bytes: Uint8Array): Promise<void> {
    const { serial, virtioConsole } = this.machine.board;
    if (!serial[port] && !(port === VIRTIO_CONSOLE && virtioConsole)) return Promise.reject(userError('no-serial', `there is no serial line ${port}`));
    return this.input({ kind: 'serial', port, bytes: Uint8Array.from(bytes) });
  }
  key(code: string, down: boolean): Promise<void> {
    return this.input({ kind: 'key', code, down });
  }
  pointer(x: number, y: number, buttons: number, wheel: number): Promise<void> {
    const { x: oldX, y: oldY } = this.pointerAt ?? { x, y };
    this.pointerAt = { x, y };
    return this.input({ kind: 'pointer', dx: x - oldX, dy: y - oldY, wheel, buttons, ...this.place(x, y) });
  }
  move(dx: number, dy: number, buttons: number, wheel: number): Promise<void> {
    return this.input({ kind: 'pointer', dx, dy, wheel, buttons });
  }
  /** Where on the screen that is, for a tablet. */
  private place(x: number, y: number): { readonly x: number; readonly y: number } | undefined {
    const { board } = this.machine;
    const size = board.usb?.pointer && screenSize(board);
    const scaled = (at: number, length: number): number => Math.round((Math.max(0, Math.min(at, length - 1)) / Math.max(length - 1, 1)) * TABLET_RANGE);
    return size && { x: scaled(x, size.width), y: scaled(y, size.height) };
  }

  async save(path: string, options?: SaveOptions): Promise<Position> {
    const { save, images } = this.options;
    if (!save) throw userError('no-snapshots', 'this host of the guest can not write snapshot files');
    const { historyBytes } = options ?? {};
    if (historyBytes !== undefined && !this.history) throw userError('no-history', 'history is switched off for this guest: there is none to save');
    const past = historyBytes === undefined ? undefined : this.history?.recorded(historyBytes);
    // The guest may go on while it is written.
    const { position } = this.machine;
    await save(this.machine, images, path, options, past);
    return position;
  }
  private async keepDisks(): Promise<void> {
    await this.options.keepDisks?.keep().catch((error: unknown) => this.tell(error));
  }
  private tell(error: unknown): void {
    this.output.emit({ event: 'log', text: error instanceof Error ? error.message : String(error) });
  }
  async close(): Promise<void> {
    if (this.closed) return;
    await this.pause();
    this.closed = true;
    await this.resting;
    await this.options.end?.();
    await this.vars?.keep();
    await this.keepDisks();
    await this.options.network?.close();
    for (const { image } of this.machine.disks) image.close();
  }
}

/** Whether somebody may connect to the guest at any time. */
const listens = ({ network }: MachineConfig): boolean => (network?.forwards ?? []).length > 0;

/** Text as the bytes of its UTF-8 form, one character each. */
const latin1 = (text: string): string => String.fromCharCode(...new TextEncoder().encode(text));

/** Runs now; an error becomes the promise's. */
const now = async <T>(action: () => T): Promise<T> => action();

function errorReason(error: unknown): Extract<StopReason, { kind: 'error' }> {
  if (error instanceof EmulatorError) {
    return { kind: 'error', code: error.code, blame: error.blame, description: error.message };
  }
  // A defect of this program: where it was found belongs to the report.
  const description = error instanceof Error ? (error.stack ?? error.message).split('\n').slice(0, 4).join('\n') : String(error);
  return { kind: 'error', code: 'internal', blame: 'internal', description };
}
