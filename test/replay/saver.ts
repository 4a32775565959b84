/**
 * A guest that is saved to the same file over and over; says after each time where it was. Its parent kills it. With a number it
 * kills itself in its second save, at so many steps of it that touch the disk; or says `whole` where it has fewer.
 */
import fs from 'node:fs/promises';
import { join } from 'node:path';
import { openGuest } from '../../emulator/machine/open';

/** From now on the process dies when the disk is touched for so many times. */
function dieAfter(steps: number): void {
  let left = steps;
  const step = (): void => {
    if (left-- === 0) process.kill(process.pid, 'SIGKILL');
  };
  const { open, rename } = fs;
  fs.open = async (...args) => {
    step();
    const file = await open(...args);
    const [writev, sync] = [file.writev.bind(file), file.sync.bind(file)];
    file.writev = async (buffers, position) => {
      step();
      return writev(buffers, position);
    };
    file.sync = async () => {
      step();
      return sync();
    };
    return file;
  };
  fs.rename = async (...args) => {
    step();
    return rename(...args);
  };
}

async function main(path: string, steps: string | undefined): Promise<void> {
  const guest = await openGuest({
    kernel: join(__dirname, '../../samples/hello/hello.elf'),
    memory: 16 << 20,
    cpus: 1,
    startTime: Date.UTC(2025, 0, 1),
    framebuffer: { width: 640, height: 480 },
    historyBytes: 16 << 20,
    checkpointEvery: 50_000,
    debugExitPort: false,
  });
  for (let position = 20_000; ; position += 20_000) {
    const stopped = new Promise<void>((resolve) => {
      const off = guest.on(({ event }) => {
        if (event !== 'stopped') return;
        off();
        resolve();
      });
    });
    await guest.resume({ position, unattended: true });
    await stopped;
    if (steps !== undefined && position > 20_000) dieAfter(Number(steps));
    await guest.save(path, { historyBytes: 16 << 20 });
    if (steps !== undefined && position > 20_000) break;
    process.stdout.write(`${position}\n`);
  }
  process.stdout.write('whole\n');
  await guest.close();
}

void main(process.argv[2]!, process.argv[3]);
