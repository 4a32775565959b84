/** Text for the guest's keyboard: it is typed as on a US keyboard, whose layout the guest has to have. */
import { keysOf } from '../display/keysym';
import { userError } from '../errors';
import type { Guest } from './api';

/** Characters in one go, and the guest's own time that it has for them, in nanoseconds: guests lose keys that come too fast. */
const PIECE = 8;
const PIECE_NS = 150e6;
const LOOK_MS = 50;
export const MOST_CHARACTERS = 20_000;

export interface Typed {
  readonly typed: number;
  /** Characters that a US keyboard does not have. */
  readonly skipped: string;
}

/** Presses keys that are held together. */
export async function press(guest: Guest, chord: readonly string[]): Promise<void> {
  for (const code of chord) await guest.key(code, true);
  for (const code of [...chord].reverse()) await guest.key(code, false);
}

/** Types all of it at once: no more than a keyboard's queue holds. Gives what has been left out. */
export async function typeAtOnce(guest: Guest, characters: readonly string[]): Promise<readonly string[]> {
  const skipped: string[] = [];
  for (const character of characters) {
    const chord = keysOf(character);
    if (chord) await press(guest, chord);
    else skipped.push(character);
  }
  return skipped;
}

export const charactersOf = (text: string): readonly string[] => [...text.replace(/\r\n?/g, '\n')];

/** Types as fast as guests take it, by their own time; a guest that stands still is waited for until it runs. Ends where `over` says so. */
export async function typeText(guest: Guest, text: string, over: () => boolean): Promise<Typed> {
  const characters = charactersOf(text);
  if (characters.length > MOST_CHARACTERS)
    throw userError('typing', `${characters.length} characters are too many to be typed: at most ${MOST_CHARACTERS} are`);
  const skipped = new Set<string>();
  let typed = 0;
  for (let at = 0; at < characters.length; at += PIECE) {
    await passed(guest, at === 0 ? 1 : PIECE_NS, over);
    if (over()) break;
    const piece = characters.slice(at, at + PIECE);
    const left = await typeAtOnce(guest, piece);
    for (const character of left) skipped.add(character);
    typed += piece.length - left.length;
  }
  return { typed, skipped: [...skipped].join('') };
}

async function passed(guest: Guest, nanoseconds: number, over: () => boolean): Promise<void> {
  const { time } = await guest.status();
  while (!over()) {
    await new Promise((done) => setTimeout(done, LOOK_MS));
    const now = (await guest.status()).time;
    // Back in history is another time altogether.
    if (now < time || now - time >= nanoseconds) return;
  }
}
