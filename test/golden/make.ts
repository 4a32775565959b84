/**
 * Writes a snapshot of a machine of machines.ts with its past, for a release: `npx tsx test/golden/make.ts MACHINE FILE`.
 * It prints what the state hash is at position 400,000, which belongs in test/unit/emulator/snapshot/golden.test.ts. Files of releases
 * that are there stay as they are.
 */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { openGuest } from '../../emulator/machine/open';
import { runTo } from '../motion';
import { MACHINES, type GoldenName } from './machines';

const isMachine = (name: string | undefined): name is GoldenName => name !== undefined && Object.hasOwn(MACHINES, name);

async function main(name: string | undefined, file: string | undefined): Promise<void> {
  if (!isMachine(name) || file === undefined || existsSync(file))
    throw new Error(`usage: make.ts ${Object.keys(MACHINES).join('|')} FILE, one that is not there yet`);
  const path = resolve(file);
  const machine = MACHINES[name];
  const folder = mkdtempSync(join(tmpdir(), 'guest-golden-'));
  // Paths are a part of the file: they are those that the configuration has, and none of this computer's.
  if (machine.files) {
    for (const [own, bytes] of Object.entries(machine.files)) writeFileSync(join(folder, own), bytes);
    process.chdir(folder);
  }
  const guest = await openGuest(machine.config);
  await runTo(guest, 150_000);
  await guest.serialInput(0, Buffer.from('golden'));
  await guest.key('KeyG', true);
  await guest.pointer(100, 200, 1, 0);
  await runTo(guest, 220_000);
  await guest.checkpoint('in between');
  await runTo(guest, 300_000);
  await guest.save(path, { historyBytes: 16 << 20 });
  await runTo(guest, 400_000);
  console.log(await guest.stateHash());
  await guest.close();
  rmSync(folder, { recursive: true });
}

void main(process.argv[2], process.argv[3]);
