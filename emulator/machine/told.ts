import type { TimelineEvent } from './api';

/** What is told of a history beside its states, at most: that bounds what a file brings, too. */
export const MOST_PICTURES = 200;
/** Of all pictures that a file takes along. */
export const MOST_PICTURE_BYTES = 16 << 20;
export const MOST_STOPS = 1000;
/** Characters that are told of a stop. */
export const MOST_TEXT = 500;

/** How the screen looked: dots of three bytes, which may still be in a file. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  /** Throws EmulatorError where the file is damaged. */
  readonly rgb: () => Uint8Array;
}

/** What travels with a past in a snapshot file. */
export interface Told {
  /** In order of position. */
  readonly stops: readonly TimelineEvent[];
  /** By number of the checkpoint in that past, in its order. */
  readonly pictures: ReadonlyMap<number, Picture>;
}
export const NOTHING_TOLD: Told = { stops: [], pictures: new Map() };
