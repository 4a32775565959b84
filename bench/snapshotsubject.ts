/**
 * What is measured of our snapshots, in one process: a guest is run to a text on its serial line, saved, saved again with the first
 * as parent, and resumed. Prints JSON. Arguments: kernel, initrd, text, folder.
 */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { Guest } from '../emulator/machine/api';
import { openGuest } from '../emulator/machine/open';

export interface Measured {
  /** Milliseconds: the longest time in which the guest could not run, of the save; and the whole save. */
  readonly pauseMs: number;
  readonly saveMs: number;
  readonly restoreMs: number;
  /** The same of a file with its past. */
  readonly historyRestoreMs: number;
  readonly bytes: number;
  readonly secondBytes: number;
  /** Bytes: what the process had more at most while it saved. */
  readonly extraBytes: number;
}

/** The guest runs on this thread: it can't where nothing else can. To look is no work itself: packing needs the processor. */
async function longestGap(action: () => Promise<void>): Promise<{ readonly gap: number; readonly whole: number }> {
  const start = performance.now();
  let [last, gap, done] = [start, 0, false];
  const look = (): void => {
    const now = performance.now();
    gap = Math.max(gap, now - last);
    last = now;
    if (!done) setTimeout(look, 1);
  };
  setTimeout(look, 1);
  await action();
  const whole = performance.now() - start;
  done = true;
  look();
  return { gap, whole };
}

/** The guest comes to a stop once `enough` holds, looked at after each event. */
function runUntil(guest: Guest, enough: () => boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    let asked = false;
    const off = guest.on(({ event }) => {
      if (event === 'stopped') {
        off();
        resolve();
      } else if (!asked && enough()) {
        asked = true;
        guest.pause().catch(reject);
      }
    });
    guest.resume({ unattended: true }).catch(reject);
  });
}

async function main([kernel, initrd, text, folder]: readonly string[]): Promise<Measured> {
  const config = { memory: 512 << 20, cpus: 1, startTime: Date.UTC(2025, 0, 1), framebuffer: { width: 1024, height: 768 }, debugExitPort: false } as const;
  const history = { historyBytes: 512 << 20, checkpointEvery: 20_000_000 };
  const guest = await openGuest({ ...config, ...history, kernel: kernel!, initrd: initrd!, append: 'console=ttyS0' });
  let said = '';
  guest.on((event) => event.event === 'serial' && (said = (said + Buffer.from(event.bytes).toString('latin1')).slice(-4096)));
  await runUntil(guest, () => said.includes(text!));
  const [first, second] = [join(folder!, 'first.guest'), join(folder!, 'second.guest')];
  const before = process.memoryUsage.rss();
  let most = before;
  const { gap, whole } = await longestGap(async () => {
    const saving = guest.save(first);
    const watch = setInterval(() => (most = Math.max(most, process.memoryUsage.rss())), 5);
    await saving;
    clearInterval(watch);
  });
  // What happens in a second of the guest's time at its prompt.
  const from = (await guest.status()).position;
  await new Promise<void>((resolve, reject) => {
    guest.on(({ event }) => event === 'stopped' && resolve());
    guest.resume({ position: from + 50_000_000 }).catch(reject);
    setTimeout(() => void guest.pause(), 3000).unref();
  });
  await guest.save(second, { parent: first });
  const past = join(folder!, 'past.guest');
  await guest.save(past, { historyBytes: 256 << 20 });
  await guest.close();
  const restoreMs = await restored(first);
  const historyRestoreMs = await restored(past);
  const [bytes, secondBytes] = [statSync(first).size, statSync(second).size];
  return { pauseMs: gap, saveMs: whole, restoreMs, historyRestoreMs, bytes, secondBytes, extraBytes: most - before };
}

/** Milliseconds from opening the file to the first instruction. */
async function restored(path: string): Promise<number> {
  const start = performance.now();
  const guest = await openGuest(undefined, { snapshot: path });
  const { position } = await guest.status();
  await new Promise<void>((resolve, reject) => {
    guest.on(({ event }) => event === 'stopped' && resolve());
    guest.resume({ position: position + 1 }).catch(reject);
  });
  const milliseconds = performance.now() - start;
  await guest.close();
  return milliseconds;
}

void main(process.argv.slice(2)).then((measured) => console.log(JSON.stringify(measured)));
