/**
 * The machine as its users see it: adapter, command line and tests talk to `Guest`, whether the
 * machine runs in this thread or in a worker. Every method is a message with one reply; nothing here
 * depends on how the guest is run.
 */
import { isTier, TIERS, type Tier } from '../engine/engine';
import type { EngineStatistics } from '../engine/statistics';
import type { Blame } from '../errors';

export { isTier, TIERS, type Tier };

export const DISK_BUSES = ['virtio', 'ahci', 'nvme'] as const;
export type DiskBus = (typeof DISK_BUSES)[number];

export interface DiskConfig {
  /** The image: raw, ISO or qcow2. It is never written to. */
  readonly path: string;
  /** A CD-ROM is read-only. */
  readonly kind?: 'disk' | 'cdrom';
  /** What it is attached to; virtio unless told, and AHCI for a CD-ROM. */
  readonly bus?: DiskBus;
  /** A file that keeps what the guest has written, beyond this run. */
  readonly overlay?: string;
  readonly readOnly?: boolean;
  /** Found out from the image unless given. */
  readonly format?: 'raw' | 'qcow2';
  readonly serial?: string;
}

export const USB_DEVICES = ['tablet', 'keyboard'] as const;
export type UsbDeviceName = (typeof USB_DEVICES)[number];

/** What answers of the VGA behind bhyve's framebuffer: its ports, its memory too, or nothing. */
export const LEGACY_VGA = ['io', 'on', 'off'] as const;

export const NETWORK_MODES = ['user', 'isolated'] as const;
export const NETWORK_DEVICES = ['virtio', 'e1000'] as const;

export interface NetworkConfig {
  /** user: connections go out through the host. isolated: there is nothing but the gateway. */
  readonly mode: (typeof NETWORK_MODES)[number];
  /** The adapter; virtio unless told. */
  readonly device?: (typeof NETWORK_DEVICES)[number];
  /** Its address, as 52:54:00:12:34:56. */
  readonly mac?: string;
  /** Ports of the host at which the guest is reached, from the host alone. */
  readonly forwards?: readonly PortForward[];
}
export interface PortForward {
  readonly host: number;
  readonly guest: number;
}

/** The configuration: launch.json, the command line and a snapshot's topology are spellings of it. */
export interface MachineConfig {
  /** Linux bzImage, ELF (multiboot 1 or 2, PVH) or flat binary: a path. */
  readonly kernel?: string;
  /** UEFI firmware in flash, run from the reset vector; it starts `kernel` if there is one. */
  readonly firmware?: string;
  /** Variable store of the firmware: what the guest changes is written back. */
  readonly vars?: string;
  /** A BIOS in ROM, run from the reset vector. */
  readonly bios?: string;
  /** Option ROM of the VGA. */
  readonly vgaBios?: string;
  /** The board: that of firmware is an i440fx or q35, without one it is bhyve's. */
  readonly chipset?: 'i440fx' | 'q35';
  /** Display device: bhyve's fbuf, or with firmware the VGA of Bochs or a framebuffer in RAM. */
  readonly display?: 'fbuf' | 'vga' | 'ramfb';
  /** The VGA behind `fbuf`, as bhyve's option `vga`; `off` unless told. */
  readonly legacyVga?: (typeof LEGACY_VGA)[number];
  /** Items for firmware and guest, as `opt/org.example/name`, and what they hold. */
  readonly fwCfg?: Readonly<Record<string, string>>;
  readonly initrd?: string;
  readonly append?: string;
  /** For a flat binary: where it is loaded and in which mode it starts. */
  readonly loadAddress?: number;
  readonly loadMode?: 'real' | 'protected' | 'long';
  readonly modules?: readonly string[];
  /** Disks, in the order in which they are attached. */
  readonly disks?: readonly DiskConfig[];
  /** An entropy device whose bytes follow from this number, or come from the host, through the history. */
  readonly rngSeed?: number | 'host';
  /** The PS/2 keyboard repeats a key that is held, as the guest has set it, in the guest's time; otherwise keys repeat as whoever holds them repeats them. */
  readonly typematic?: boolean;
  /** A virtio console; what it sends are `serial` events of `VIRTIO_CONSOLE`. */
  readonly virtioConsole?: boolean;
  /** Input devices on a USB host controller. */
  readonly usb?: readonly UsbDeviceName[];
  /** A network adapter, and what it is connected to. */
  readonly network?: NetworkConfig;
  /** Bytes, 16 MiB to 3 GiB. */
  readonly memory: number;
  readonly cpus: number;
  /** Wall clock at power-on, milliseconds since 1970 (UTC). */
  readonly startTime: number;
  readonly framebuffer: { readonly width: number; readonly height: number } | false;
  /** Bytes that checkpoints may take; 0 switches history off. */
  readonly historyBytes: number;
  /** Which code is compiled: 'auto' unless told otherwise. The guest can't tell. */
  readonly tier?: Tier;
  /** Instructions between automatic checkpoints. */
  readonly checkpointEvery: number;
  /** Port of isa-debug-exit; false for none. */
  readonly debugExitPort: number | false;
}

/**
 * A position in the machine's history: instructions retired by all vCPUs since power-on. A jump over
 * time in which every vCPU is halted takes one position too, so that no two states share one.
 */
export type Position = number;

export type StopReason =
  | { readonly kind: 'entry' }
  | { readonly kind: 'pause' }
  | { readonly kind: 'step' }
  | { readonly kind: 'limit' }
  | { readonly kind: 'breakpoint'; readonly ids: readonly number[] }
  | { readonly kind: 'watchpoint'; readonly ids: readonly number[]; readonly address: bigint; readonly write: boolean; readonly size: number }
  | { readonly kind: 'trigger'; readonly ids: readonly number[]; readonly description: string }
  | { readonly kind: 'history-start' }
  | { readonly kind: 'power-off' }
  | { readonly kind: 'reset' }
  | { readonly kind: 'exit'; readonly code: number }
  | { readonly kind: 'idle' }
  | { readonly kind: 'shutdown'; readonly description: string }
  | { readonly kind: 'error'; readonly code: string; readonly blame: Blame; readonly description: string };

export interface Stop {
  readonly reason: StopReason;
  readonly vcpu: number;
  readonly position: Position;
  /** Nanoseconds of virtual time. */
  readonly time: number;
  readonly rip: bigint;
}

/** What may go with every trigger: it stops where the condition holds and the hit count fits; with a message it prints and goes on. */
export interface TriggerConditions {
  readonly condition?: Condition;
  readonly hits?: HitCount;
  readonly log?: string;
}
export type TriggerAccess = 'read' | 'write' | 'access';
/** Control registers whose changes can be waited for; `mode`: those bits of them that make real, protected and long mode. */
export const CONTROLS = ['cr0', 'cr3', 'cr4', 'efer', 'mode'] as const;
export type Control = (typeof CONTROLS)[number];

interface WatchTarget {
  readonly space: 'linear' | 'physical';
  readonly address: bigint;
  readonly length: number;
}

/** What can stop the machine. Conditions, hit counts and messages are evaluated beside the guest. */
export type Trigger = { readonly id: number } & TriggerConditions &
  (
    | { readonly kind: 'execute'; readonly address: bigint }
    | ({ readonly kind: 'watch'; readonly access: TriggerAccess } & WatchTarget)
    /** Conditions know `port`, `value` and `write`. */
    | { readonly kind: 'port'; readonly first: number; readonly count: number; readonly access: TriggerAccess }
    /** An interrupt is delivered. Conditions know `vector`. */
    | { readonly kind: 'interrupt'; readonly vector: number | 'any' }
    /** An exception is delivered, or, as vector 2, an NMI. Conditions know `vector` and `code`. */
    | { readonly kind: 'exception'; readonly vector: number }
    /** HLT has been executed. */
    | { readonly kind: 'halt' }
    /** RDMSR or WRMSR. Conditions know `msr`, `value` and `write`. */
    | { readonly kind: 'msr'; readonly index: number | 'any'; readonly access: TriggerAccess }
    /** CPUID. Conditions know `leaf` and `subleaf`. */
    | { readonly kind: 'cpuid'; readonly leaf: number | 'any' }
    /** A control register has got another value. Conditions know `old` and `value`. */
    | { readonly kind: 'control'; readonly register: Control }
  );

/** An expression over registers, memory and constants; see machine/expression.ts. Symbols are already numbers. */
export type Condition = string;
export interface HitCount {
  readonly compare: '==' | '>=' | '>' | '%';
  readonly value: number;
}

export type StepKind = 'in' | 'over' | 'out';

/** A register or a field of the vCPU or of a device, ready to be shown and changed. */
export interface StateNode {
  readonly name: string;
  readonly about?: string;
  /** How to show it. Numbers come as bigint; bytes as Uint8Array. */
  readonly value?: bigint | number | string | boolean | Uint8Array;
  /** Bits of a number. */
  readonly width?: number;
  readonly writable?: boolean;
  readonly children?: readonly StateNode[];
}

export interface CheckpointInfo {
  readonly id: number;
  readonly position: Position;
  readonly time: number;
  readonly name?: string;
  /** Bytes of pages that only this checkpoint holds. */
  readonly bytes: number;
  /** Asked for by a user: never thinned out. */
  readonly kept: boolean;
  /** Number of the branch that it belongs to, if that is not the current one. */
  readonly branch?: number;
  /** There is a small picture of the screen (`thumbnails`). */
  readonly picture?: boolean;
}

/** Something that happened to the guest. Inputs that came one after the other are one event. */
export interface TimelineEvent {
  readonly kind: 'input' | 'reset' | 'stop' | 'fault' | 'end';
  readonly position: Position;
  /** Nanoseconds of virtual time; of inputs it is reckoned from checkpoints around them. */
  readonly time: number;
  readonly count: number;
  readonly text: string;
}

/** A future that an input after travelling back has put an end to; one of its checkpoints leads there again. */
export interface BranchInfo {
  readonly number: number;
  /** Where it parts from the current branch. */
  readonly fork: Position;
  readonly forkTime: number;
  readonly events: readonly TimelineEvent[];
}

export interface TimelineInfo {
  readonly position: Position;
  readonly time: number;
  readonly oldest: Position;
  readonly newest: Position;
  readonly newestTime: number;
  readonly checkpoints: readonly CheckpointInfo[];
  /** Of the current branch. */
  readonly events: readonly TimelineEvent[];
  readonly branches: readonly BranchInfo[];
}

/** A small picture of the screen at a checkpoint. */
export interface Thumbnail extends Frame {
  readonly id: number;
}

export interface Status {
  readonly running: boolean;
  readonly position: Position;
  /** Retired instructions: `position` without the jumps over idle time. */
  readonly instructions: number;
  readonly time: number;
  readonly oldest: Position;
  /** End of the recorded history; greater than `position` after travelling back. */
  readonly newest: Position;
  readonly mips: number;
  readonly historyBytes: number;
}

export interface Frame {
  readonly width: number;
  readonly height: number;
  /** Row by row, four bytes a pixel: red, green, blue, 255. */
  readonly rgba: Uint8Array;
}

/** Lines of a picture that follow each other. */
export interface Band {
  readonly y: number;
  readonly height: number;
}

/** The lines of a picture that have changed. */
export interface FrameChanges {
  readonly width: number;
  readonly height: number;
  /** For the next question. */
  readonly serial: number;
  readonly bands: readonly Band[];
  /** The bands' pixels, one band behind the other, as in a frame. */
  readonly rgba: Uint8Array;
}

/** Index in `serial` events, after COM1 and COM2, of what goes to the debug ports 0xE9 and 0x402. */
export const DEBUG_CONSOLE = 2;

/** Index in `serial` events and of serial input of the virtio console. */
export const VIRTIO_CONSOLE = 3;

export interface RunLimits {
  /** Stop (reason `limit`) when this position is reached. */
  readonly position?: Position;
  /** Record a state hash at every multiple of this many instructions. */
  readonly hashEvery?: number;
  /**
   * Nobody watches: time in which the guest is idle is skipped at once, and a guest that only an input
   * could wake stops (reason `idle`). Otherwise idle time passes no faster than the host's.
   */
  readonly unattended?: boolean;
  /** Sample the instruction pointer at multiples of this many instructions, for `profile`. */
  readonly sampleEvery?: number;
  /** Stop (reason `limit`) right after the first serial line has sent one of these texts. */
  readonly serial?: readonly string[];
  /** Stop (reason `limit`) when this is seen on the screen. */
  readonly screen?: ScreenCondition;
  /**
   * Stop (reason `limit`) when so many nanoseconds have passed: as many instructions as fit into them, or idle time. Idle time is
   * cut short where what ends it comes later, or with `whole` passes to its end.
   */
  readonly span?: { readonly time: number; readonly whole?: boolean };
}

/** What can be waited for on the screen. */
export type ScreenCondition =
  | { readonly kind: 'text'; readonly text: string }
  /**
   * An image, at a place or anywhere; transparent dots of it do not count. Colors may differ by `tolerance` of 255,
   * and `percent` of the dots by more.
   */
  | {
      readonly kind: 'image';
      readonly image: Frame;
      readonly at?: { readonly x: number; readonly y: number };
      readonly tolerance: number;
      readonly percent: number;
    };

export type GuestEvent =
  | { readonly event: 'stopped'; readonly stop: Stop }
  | { readonly event: 'running' }
  | { readonly event: 'serial'; readonly port: number; readonly bytes: Uint8Array }
  | { readonly event: 'log'; readonly text: string }
  | { readonly event: 'checkpoints' }
  | { readonly event: 'hash'; readonly position: Position; readonly hash: string }
  | { readonly event: 'progress'; readonly position: Position; readonly target: Position };

export interface SaveOptions {
  /** A snapshot of the same folder: what it holds already is not written again. */
  readonly parent?: string;
  /** Carries the past too, as far as its pages fit into so many bytes: whoever resumes it can go backwards. */
  readonly historyBytes?: number;
}

export interface Guest {
  readonly config: MachineConfig;
  on(listener: (event: GuestEvent) => void): () => void;
  /** Errors on a bad configuration or image: EmulatorError with blame `user`. */
  status(): Promise<Status>;

  /** Starts running; `stopped` follows as an event. */
  resume(limits?: RunLimits): Promise<void>;
  pause(): Promise<void>;
  step(kind: StepKind, vcpu: number): Promise<void>;
  stepBack(vcpu: number): Promise<void>;
  /** Runs backwards to the last trigger hit before here, or to the oldest position. */
  reverseContinue(): Promise<void>;
  /** Travels to a position of the history, back or forward: to its state after all inputs that are recorded there. */
  travel(position: Position): Promise<void>;
  reset(): Promise<void>;
  setTriggers(triggers: readonly Trigger[]): Promise<void>;

  checkpoint(name?: string): Promise<CheckpointInfo>;
  checkpoints(): Promise<readonly CheckpointInfo[]>;
  /**
   * Puts the machine exactly as it was when the checkpoint was made: before the inputs that followed at its position. They come when
   * it moves on, `resume` and `travel` to this very position included: whoever is sent to a position finds it after all its inputs.
   */
  restore(id: number): Promise<void>;
  timeline(): Promise<TimelineInfo>;
  /** Of those checkpoints that have one. */
  thumbnails(checkpoints: readonly number[]): Promise<readonly Thumbnail[]>;
  /** Hash of the whole guest-visible state, as hexadecimal digits. */
  stateHash(): Promise<string>;

  /** Samples of runs with `sampleEvery`, and what the engine has done. */
  profile(): Promise<Profile>;

  /** Groups of registers of a vCPU: general, flags, segments, control, debug, msr, x87, sse, lapic. */
  vcpuState(vcpu: number): Promise<readonly StateNode[]>;
  /** Every device with its fields and bits. */
  deviceState(): Promise<readonly StateNode[]>;
  /** `path` as the names lead from the root: ['general', 'rax'] or ['com1', 'lcr', 'DLAB']. A journal event. */
  setVcpuState(vcpu: number, path: readonly string[], value: bigint): Promise<void>;
  setDeviceState(path: readonly string[], value: bigint): Promise<void>;
  registers(vcpu: number): Promise<Readonly<Record<string, bigint>>>;

  /** Bytes that can't be read end the result early. */
  readMemory(vcpu: number, space: 'linear' | 'physical', address: bigint, length: number): Promise<Uint8Array>;
  writeMemory(vcpu: number, space: 'linear' | 'physical', address: bigint, bytes: Uint8Array): Promise<number>;
  translate(vcpu: number, linear: bigint): Promise<bigint | undefined>;

  /** Input from outside: journal events. */
  serialInput(port: number, bytes: Uint8Array): Promise<void>;
  key(code: string, down: boolean): Promise<void>;
  pointer(x: number, y: number, buttons: number, wheel: number): Promise<void>;
  /** The mouse moves, for clients whose pointer is not at a place of the screen. */
  move(dx: number, dy: number, buttons: number, wheel: number): Promise<void>;
  frame(): Promise<Frame | undefined>;
  /** The characters that the screen shows: of VGA's text modes, or drawn with a font that the guest has in its memory; undefined where there are none. */
  text(): Promise<string | undefined>;
  /** What has changed on the screen since the answer of this number; everything for 0. Undefined where there is no screen. */
  frameChanges(since: number): Promise<FrameChanges | undefined>;
  /** Names of I/O ports' owners and the physical memory map. */
  memoryMap(): Promise<readonly { readonly first: bigint; readonly last: bigint; readonly owner: string; readonly space: 'memory' | 'port' }[]>;

  /** Writes a snapshot file atomically, of the moment at which this is asked, and says where that was; the guest may run meanwhile. */
  save(path: string, options?: SaveOptions): Promise<Position>;
  close(): Promise<void>;
}

/** Where a guest has spent its instructions, and what the engine did for it. */
export interface Profile {
  /** Instructions between samples. */
  readonly every: number;
  /** Samples by linear address of the instruction pointer, as hexadecimal digits, with the privilege: `ffffffff81000000 0`. */
  readonly samples: Readonly<Record<string, number>>;
  readonly statistics: EngineStatistics;
}
