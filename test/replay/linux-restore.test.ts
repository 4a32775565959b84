/** Any moment of a Linux boot can be restored, and what follows is the same to the last bit. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { applyInput } from '../../emulator/machine/inputs';
import type { MachineConfig } from '../../emulator/machine/api';
import { Machine } from '../../emulator/machine/machine';
import { readBinaries, readImages } from '../../emulator/machine/node';
import { RunLoop } from '../../emulator/machine/runloop';
import { capture, restore, StateHash } from '../../emulator/machine/state';

const folder = join(__dirname, '../../.cache/guests/linux-cloud');
const SEED = Number(process.env['REPLAY_SEED'] ?? 1);
const POINTS = Number(process.env['REPLAY_POINTS'] ?? 4);

describe('restore in a Linux boot', function () {
  this.timeout(600_000);

  for (const cpus of [1, 2]) {
    it(`${POINTS} random points, ${cpus} vCPU, seed ${SEED}`, async function () {
      if (!existsSync(join(folder, 'vmlinuz'))) {
        console.log("      skipped: no guest; 'npm run guests' fetches it");
        return this.skip();
      }
      const config: MachineConfig = {
        kernel: join(folder, 'vmlinuz'),
        initrd: join(folder, 'initrd.gz'),
        append: 'console=ttyS0',
        memory: 256 << 20,
        cpus,
        startTime: Date.UTC(2025, 0, 1),
        framebuffer: false,
        historyBytes: 0,
        checkpointEvery: 50_000_000,
        debugExitPort: false,
      };
      const machine = await Machine.create(config, await readImages(config), await readBinaries(), { serial: () => false });
      const loop = new RunLoop(machine, (input) => applyInput(machine, input));
      const hash = new StateHash(machine);
      let seed = SEED;
      const random = (below: number): number => {
        seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
        return (seed >>> 8) % below;
      };
      const runTo = (end: number, slice: () => number): void => {
        while (machine.position < end) assert.equal(loop.advance(Math.min(end, machine.position + slice())), undefined);
      };
      for (let point = 0; point < POINTS; point++) {
        runTo(machine.position + 50_000_000 + random(150_000_000), () => 1 + random(3_000_000));
        const saved = capture(machine);
        const memory = Uint8Array.from(machine.engine.ram);
        const here = hash.current();
        const end = machine.position + 5_000_000 + random(20_000_000);
        runTo(end, () => Infinity);
        const there = hash.current();
        machine.engine.ram.set(memory);
        machine.pages.mark(machine.pages.all());
        restore(machine, saved);
        assert.equal(hash.current(), here, `the state at ${saved.position} is back`);
        runTo(end, () => 1 + random(point % 2 === 0 ? 200_000 : 2000));
        assert.equal(hash.current(), there, `from ${saved.position} to ${end}`);
      }
    });
  }
});
