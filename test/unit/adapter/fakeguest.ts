/**
 * A guest for tests of the adapter: one byte of NOP after another from 0x1000 on, one instruction a position.
 * What stops it is scripted by position, beside its execute triggers.
 */
import type {
  CheckpointInfo, Frame, FrameChanges, Guest, GuestEvent, MachineConfig, RunLimits, SaveOptions, StateNode, Status, StepKind, Stop, StopReason, Trigger, Thumbnail, TimelineInfo,
} from '../../../emulator/machine/api'; // prettier-ignore
import { userError } from '../../../emulator/errors';

const START = 0x1000n;
const MEMORY = 0x1_0000;
/** Where a guest that nothing stops is cut off. */
const ENDLESS = 100_000;

export class FakeGuest implements Guest {
  readonly config: MachineConfig;
  readonly memory = new Uint8Array(MEMORY).fill(0x90);
  readonly calls: string[] = [];
  readonly script = new Map<number, StopReason>();
  /** Stack pointers by position, for tests of stepping; 0x8000 elsewhere. */
  readonly values: Record<string, bigint> = { rax: 0x1122334455667788n, rbx: 0n, rsp: 0x8000n, rbp: 0n, rflags: 0x246n, xmm0: 0n };
  triggers: readonly Trigger[] = [];
  position = 0;
  lcr = 3n;
  picture: Frame | undefined;
  characters: string | undefined;
  closed = false;
  private readonly listeners = new Set<(event: GuestEvent) => void>();
  private readonly marks: CheckpointInfo[] = [];
  private running = false;

  constructor(config: Partial<MachineConfig> = {}) {
    this.config = {
      memory: 32 << 20, cpus: 1, startTime: 0, framebuffer: false, historyBytes: 1 << 20, checkpointEvery: 1000, debugExitPort: false, ...config,
    }; // prettier-ignore
  }

  get rip(): bigint {
    return START + BigInt(this.position);
  }

  on(listener: (event: GuestEvent) => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }
  emit(event: GuestEvent): void {
    for (const listener of [...this.listeners]) listener(event);
  }
  say(text: string): void {
    this.emit({ event: 'serial', port: 0, bytes: new TextEncoder().encode(text) });
  }
  private stop(reason: StopReason, vcpu = 0): void {
    this.running = false;
    const stop: Stop = { reason, vcpu, position: this.position, time: this.position, rip: this.rip };
    setImmediate(() => this.emit({ event: 'stopped', stop }));
  }

  async status(): Promise<Status> {
    const { position } = this;
    return { running: this.running, position, instructions: position, time: position, oldest: 0, newest: position, mips: 1, historyBytes: 10 };
  }

  // ── Motion ─────────────────────────────────────────────────────────────────────────────

  private hits(position: number): number[] {
    const address = START + BigInt(position);
    return this.triggers.flatMap((trigger) => (trigger.kind === 'execute' && trigger.address === address ? [trigger.id] : []));
  }
  private reasonAt(position: number): StopReason | undefined {
    const ids = this.hits(position);
    return this.script.get(position) ?? (ids.length > 0 ? { kind: 'breakpoint', ids } : undefined);
  }

  async resume(limits: RunLimits = {}): Promise<void> {
    this.calls.push('resume');
    this.running = true;
    for (let next = this.position + 1; next <= this.position + ENDLESS; next++) {
      const reason: StopReason | undefined = next === limits.position ? { kind: 'limit' } : this.reasonAt(next);
      if (!reason) continue;
      this.position = next;
      return this.stop(reason);
    }
    this.emit({ event: 'running' });
  }
  async pause(): Promise<void> {
    this.calls.push('pause');
    if (this.running) this.stop({ kind: 'pause' });
  }
  async step(kind: StepKind, vcpu: number): Promise<void> {
    this.calls.push(`step ${kind} ${vcpu}`);
    this.position++;
    this.stop(this.script.get(this.position) ?? { kind: 'step' }, vcpu);
  }
  async stepBack(vcpu: number): Promise<void> {
    this.calls.push(`stepBack ${vcpu}`);
    if (this.position === 0) return this.stop({ kind: 'history-start' });
    this.position--;
    this.stop({ kind: 'step' }, vcpu);
  }
  async reverseContinue(): Promise<void> {
    this.calls.push('reverseContinue');
    const armed = this.triggers.find((trigger) => trigger.kind === 'watch' && trigger.id < 0);
    if (armed) {
      this.position = 3;
      return this.stop({ kind: 'watchpoint', ids: [armed.id], address: 0x2000n, write: true, size: 8 });
    }
    for (let next = this.position - 1; next >= 0; next--) {
      const reason = this.reasonAt(next);
      if (!reason) continue;
      this.position = next;
      return this.stop(reason);
    }
    this.position = 0;
    this.stop({ kind: 'history-start' });
  }
  async travel(position: number): Promise<void> {
    this.calls.push(`travel ${position}`);
    this.position = position;
    this.stop({ kind: 'step' });
  }
  async reset(): Promise<void> {
    this.calls.push('reset');
    this.position = 0;
    this.stop({ kind: 'reset' });
  }
  async setTriggers(triggers: readonly Trigger[]): Promise<void> {
    this.triggers = triggers;
  }

  // ── History ────────────────────────────────────────────────────────────────────────────

  async checkpoint(name?: string): Promise<CheckpointInfo> {
    const made: CheckpointInfo = {
      id: this.marks.length + 1,
      position: this.position,
      time: this.position,
      bytes: 4096,
      kept: true,
      ...(name !== undefined && { name }),
    };
    this.marks.push(made);
    this.emit({ event: 'checkpoints' });
    return made;
  }
  async checkpoints(): Promise<readonly CheckpointInfo[]> {
    return this.marks;
  }
  async timeline(): Promise<TimelineInfo> {
    const { position } = this;
    const checkpoints = this.marks.map((mark) => ({ ...mark, picture: true }));
    return { position, time: position, oldest: 0, newest: Math.max(position, 5), newestTime: 5, checkpoints, events: [], branches: [] };
  }
  async thumbnails(ids: readonly number[]): Promise<readonly Thumbnail[]> {
    return ids.filter((id) => id <= this.marks.length).map((id) => ({ id, width: 2, height: 1, rgba: Uint8Array.of(1, 2, 3, 255, 4, 5, 6, 255) }));
  }
  async restore(id: number): Promise<void> {
    this.position = this.marks.find((mark) => mark.id === id)!.position;
    this.stop({ kind: 'step' });
  }
  async profile(): Promise<never> {
    throw new Error('not profiled');
  }
  async stateHash(): Promise<string> {
    return `hash-${this.position}`;
  }

  // ── State ──────────────────────────────────────────────────────────────────────────────

  async registers(): Promise<Readonly<Record<string, bigint>>> {
    return { ...this.values, rip: this.rip, efer: 0x500n, cr0: 0x8000_0011n, cs: 8n, 'cs.base': 0n, 'cs.attributes': 0xa09bn };
  }
  async vcpuState(): Promise<readonly StateNode[]> {
    const { values } = this;
    const register = (name: string, width = 64): StateNode => ({ name, value: values[name]!, width, writable: true });
    const flag = (name: string, at: number): StateNode => ({ name, value: (values['rflags']! >> BigInt(at)) & 1n, width: 1, writable: true });
    const flags = [flag('CF', 0), flag('PF', 2), flag('ZF', 6), flag('IF', 9)];
    return [
      {
        name: 'general',
        children: [
          { name: 'rip', value: this.rip, width: 64, writable: true },
          ...['rax', 'rbx', 'rsp', 'rbp'].map((name) => register(name)),
          { ...register('rflags'), children: flags },
        ],
      },
      { name: 'flags', children: flags },
      { name: 'sse', children: [register('xmm0', 128)] },
      { name: 'x87', children: [{ name: 'fpr0', value: Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0xc0, 0, 0x40), width: 80, writable: true }] },
      {
        name: 'segments',
        children: [
          {
            name: 'cs',
            children: [
              { name: 'selector', value: 8n, width: 16 },
              { name: 'base', value: 0n, width: 64 },
            ],
          },
        ],
      },
    ];
  }
  async deviceState(): Promise<readonly StateNode[]> {
    return [
      {
        name: 'com1',
        about: 'uart16550',
        children: [{ name: 'lcr', value: this.lcr, width: 8, writable: true, children: [{ name: 'DLAB', value: this.lcr >> 7n, width: 1, writable: true }] }],
      },
    ];
  }
  async setVcpuState(_vcpu: number, path: readonly string[], value: bigint): Promise<void> {
    const name = path.at(-1)!;
    if (name === 'rip') this.position = Number(value - START);
    else if (name in this.values) this.values[name] = value;
    else throw userError('no-field', `there is no field '${name}' here`);
  }
  async setDeviceState(_path: readonly string[], value: bigint): Promise<void> {
    this.lcr = value;
  }
  async readMemory(_vcpu: number, _space: 'linear' | 'physical', address: bigint, length: number): Promise<Uint8Array> {
    return address >= BigInt(MEMORY) ? new Uint8Array(0) : this.memory.slice(Number(address), Math.min(Number(address) + length, MEMORY));
  }
  async writeMemory(_vcpu: number, _space: 'linear' | 'physical', address: bigint, bytes: Uint8Array): Promise<number> {
    this.memory.set(bytes, Number(address));
    return bytes.length;
  }
  async translate(_vcpu: number, linear: bigint): Promise<bigint | undefined> {
    return linear < BigInt(MEMORY) ? linear : undefined;
  }
  async serialInput(port: number, bytes: Uint8Array): Promise<void> {
    this.calls.push(`serial ${port} ${JSON.stringify(new TextDecoder().decode(bytes))}`);
  }
  async key(code: string, down: boolean): Promise<void> {
    this.calls.push(`key ${code} ${down ? 'down' : 'up'}`);
  }
  async move(dx: number, dy: number, buttons: number, wheel: number): Promise<void> {
    this.calls.push(`move ${dx} ${dy} ${buttons} ${wheel}`);
  }
  async text(): Promise<string | undefined> {
    return this.characters;
  }
  async pointer(x: number, y: number, buttons: number, wheel: number): Promise<void> {
    this.calls.push(`pointer ${x} ${y} ${buttons} ${wheel}`);
  }
  async frameChanges(since: number): Promise<FrameChanges | undefined> {
    const { picture } = this;
    return picture && { ...picture, serial: since + 1, bands: [{ y: 0, height: picture.height }] };
  }
  async frame(): Promise<Frame | undefined> {
    return this.picture;
  }
  async memoryMap(): ReturnType<Guest['memoryMap']> {
    return [{ first: 0n, last: BigInt(MEMORY - 1), owner: 'ram', space: 'memory' }];
  }
  async save(path: string, { historyBytes }: SaveOptions = {}): Promise<number> {
    this.calls.push(`save ${path}${historyBytes === undefined ? '' : ` with ${historyBytes >> 20} MB of history`}`);
    return this.position;
  }
  async close(): Promise<void> {
    this.closed = true;
  }
}
