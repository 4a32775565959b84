/** A guest that is saved to the same file over and over; says after each time where it was. Its parent kills it. */
import { join } from 'node:path';
import { openGuest } from '../../emulator/machine/open';

async function main(path: string): Promise<never> {
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
    await guest.save(path, { historyBytes: 16 << 20 });
    process.stdout.write(`${position}\n`);
  }
}

void main(process.argv[2]!);
