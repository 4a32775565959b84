import type { CheckpointInfo, Position } from '../machine/api';
import type { MachineState } from '../machine/state';
import { PAGE } from './format';
import { LIVE, type Contents } from './slabs';

/** Contents by the engine's page numbers. */
export type Pages = Map<number, Contents>;

/** A state of the machine, with the pages that have changed since the checkpoint before it. */
export interface Checkpoint {
  readonly id: number;
  readonly state: MachineState;
  readonly time: number;
  readonly name?: string;
  /** Asked for by a user: never thinned out. */
  readonly kept: boolean;
  /** Made while replaying, near where somebody steps back: the first to go. */
  readonly passing: boolean;
  readonly pages: Pages;
}

/** Where two futures part: they have in common what lies at or before this position, and this many events. */
export interface Fork {
  readonly position: Position;
  readonly journal: number;
}

export const positionOf = ({ state }: Checkpoint): Position => state.position;

/** `branch`: of another branch than the current one. */
export const describe = (checkpoint: Checkpoint, branch?: number): CheckpointInfo => ({
  id: checkpoint.id,
  position: checkpoint.state.position,
  time: checkpoint.time,
  ...(checkpoint.name !== undefined && { name: checkpoint.name }),
  bytes: bytesOf(checkpoint),
  kept: checkpoint.kept,
  ...(branch !== undefined && { branch }),
});

/** What contents take, beside the machine's memory. */
export const bytesOfPage = (contents: Contents | undefined): number => (contents && contents !== LIVE ? PAGE : 0);

/** Of its copies. */
export function bytesOf({ pages }: Pick<Checkpoint, 'pages'>): number {
  let bytes = 0;
  for (const contents of pages.values()) bytes += bytesOfPage(contents);
  return bytes;
}
