import type { Past } from '../snapshot/historychunk';
import type { CheckpointInfo, Position } from './api';
import type { Images } from './images';
import type { JournalEvent } from './journal';
import type { Machine } from './machine';
import type { PageReader } from './pages';
import type { Halt, RunLoop } from './runloop';
import type { Told } from './told';
import type { Hit, Triggers } from './triggers';

// What emulator/snapshot sees of the machine, beside its state.
export type { Hit, Halt, Images, PageReader, Past };

/** What history works with. Serial output and log points are silent while it moves the machine. */
export interface HistoryContext {
  readonly machine: Machine;
  readonly loop: RunLoop;
  /** In mode `off` unless history sets another; it is put back afterwards. */
  readonly triggers: Triggers;
  /** Lets the host do what waits; call at least every 10 ms. */
  yield(): Promise<void>;
  /** Milliseconds that the host's processor has worked for this program. */
  spent(): number;
  /** Instructions that fit into one such stretch. */
  slice(): number;
  /** `loop.advance`, cut short where it takes too much of the host's time. */
  advance(limit: Position): Halt | undefined;
  /** Somebody wants the machine to stop: history puts it back to where the motion began. */
  interrupted(): boolean;
  progress(position: Position, target: Position): void;
  /** The list of checkpoints has changed. */
  changed(): void;
  /** A checkpoint has been made, where the machine stands. */
  made(id: number, kept: boolean): void;
  /** What lies beyond a position belongs to a branch of this number from now on. */
  left(branch: number, position: Position): void;
  /** This branch is the current one now. */
  came(branch: number): void;
  /** What is told of a past beside its states, as far as pictures fit into so many bytes; and what all of them take. */
  told(checkpoints: readonly { readonly id: number; readonly kept: boolean }[], from: Position, to: Position, room: number): Told;
  pictureBytes(): number;
  /** The same of a past that has come from a file. */
  brought(told: Told, checkpoints: readonly { readonly id: number; readonly kept: boolean }[]): void;
}

/** The machine's past: checkpoints and the journal between them. Implemented in emulator/snapshot. */
export interface History {
  readonly oldest: Position;
  /** The furthest position of this branch; at least the machine's. */
  readonly newest: Position;
  readonly bytes: number;
  /** Position at which the next automatic checkpoint is due: runs are cut there. */
  readonly due: Position;
  /** The machine stands at a boundary: takes the automatic checkpoint if it is due, and notes how far it has come. */
  visit(): void;
  /** An input has just made a new future: what was recorded beyond this position belongs to another branch. */
  branched(): void;

  /** The past up to here, its last part being here, as far as its pages fit into so many bytes. */
  recorded(bytes: number): Past;

  checkpoint(name?: string): CheckpointInfo;
  list(): readonly CheckpointInfo[];
  /** Branches that are not the current one, with their inputs after the fork. */
  branches(): readonly { readonly number: number; readonly fork: Position; readonly events: readonly JournalEvent[] }[];
  restore(id: number): Promise<void>;
  travel(position: Position): Promise<void>;
  /** To the state before the last instruction of this vCPU. False at the oldest position. */
  stepBack(vcpu: number): Promise<boolean>;
  /** To the last hit before here. Undefined: there is none, and the machine stands at the oldest position. */
  reverseContinue(): Promise<Hit | undefined>;
}

export type MakeHistory = (context: HistoryContext, bytes: number, every: number) => History;
