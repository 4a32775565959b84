/** Chunks of older versions, made into those of today by pure functions that stay for ever. */
import type { Chunk } from './container';
import type { Fields } from './cbor';
import { bad } from './format';

/** From version n of a chunk's fields to n + 1. */
export type Upgrade = (fields: Fields) => Fields;
/** By kind, and by the version that is upgraded. */
export type Upgrades = Readonly<Record<string, Readonly<Record<number, Upgrade>>>>;

export const UPGRADES: Upgrades = {
  // Version 2 has VGA's own registers.
  'device.bochsvga': { 1: (fields) => fields },
  // Version 2 has what the HPET asserts apart from what PCI does; it was one before.
  'device.ioapic': { 1: (fields) => new Map(fields).set('shared', 0) },
  // Version 2 has FERR#.
  'device.lpc': { 1: (fields) => new Map(fields).set('coprocessor', 0) },
  // Version 2 may have several checkpoints of one position.
  history: { 1: (fields) => fields },
};

/** Throws where the chunk is newer than `version`, or so old that no way leads there. */
export function upgrade(chunk: Chunk, version: number, upgrades: Upgrades = UPGRADES): Chunk {
  const what = `${chunk.kind} '${chunk.instance}'`;
  if (chunk.version > version) throw bad(`${what} is of version ${chunk.version}, newer than ${version}, which this version of the program knows`);
  let { fields } = chunk;
  for (let at = chunk.version; at < version; at++) {
    const steps = Object.hasOwn(upgrades, chunk.kind) ? upgrades[chunk.kind] : undefined;
    const step = steps?.[at];
    if (!step) throw bad(`${what} is of version ${chunk.version}; nothing leads from version ${at} to ${version}`);
    fields = step(fields);
  }
  return { ...chunk, version, fields };
}
