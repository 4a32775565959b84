/**
 * Writes a snapshot of a machine with every chip that needs no file, with its past: `npx tsx test/golden/make.ts FILE`, for a release.
 * It prints what the state hash is at position 400,000, which belongs in test/unit/emulator/snapshot/golden.test.ts. Files of releases
 * that are there stay as they are.
 */
import { existsSync } from 'node:fs';
import type { Guest } from '../../emulator/machine/api';
import { openGuest } from '../../emulator/machine/open';

function runTo(guest: Guest, position: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const off = guest.on(({ event }) => {
      if (event !== 'stopped') return;
      off();
      resolve();
    });
    guest.resume({ position, unattended: true }).catch(reject);
  });
}

async function main(path: string | undefined): Promise<void> {
  if (path === undefined || existsSync(path)) throw new Error('usage: make.ts FILE, one that is not there yet');
  const guest = await openGuest({
    kernel: 'samples/hello/hello.elf',
    memory: 16 << 20,
    cpus: 2,
    startTime: Date.UTC(2025, 0, 1),
    framebuffer: { width: 640, height: 480 },
    historyBytes: 16 << 20,
    checkpointEvery: 100_000,
    debugExitPort: 0xf4,
    rngSeed: 7,
    virtioConsole: true,
    usb: ['tablet', 'keyboard'],
  });
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
}

void main(process.argv[2]);
