/** OVMF's way to its shell, with flash being written, restored from checkpoints and snapshots: the same to the last bit. */
import assert from 'node:assert/strict';
import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Guest, MachineConfig } from '../../emulator/machine/api';
import { openGuest } from '../../emulator/machine/open';
import { Random } from '../oracle/random';
import { moved } from '../motion';

const ovmf = join(__dirname, '../../.cache/guests/ovmf');
const SEED = Number(process.env['REPLAY_SEED'] ?? 1);
/** Variables are written, drivers found, the screen set up between these positions. */
const STRETCH = [560_000_000, 700_000_000] as const;
const POINTS = 3;

describe('history of a firmware boot', function () {
  this.timeout(900_000);
  const folder = mkdtempSync(join(tmpdir(), 'guest-ovmf-'));
  before(function () {
    if (existsSync(join(ovmf, 'OVMF_CODE_4M.fd'))) return;
    console.log("      skipped: no firmware; 'npm run guests' fetches it");
    this.skip();
  });
  after(() => rmSync(folder, { recursive: true }));

  const config = (chipset: 'i440fx' | 'q35'): MachineConfig => {
    copyFileSync(join(ovmf, 'OVMF_VARS_4M.fd'), join(folder, 'vars.fd'));
    return {
      firmware: join(ovmf, 'OVMF_CODE_4M.fd'),
      vars: join(folder, 'vars.fd'),
      chipset,
      memory: 128 << 20,
      cpus: 1,
      startTime: Date.UTC(2025, 0, 1),
      framebuffer: { width: 1024, height: 768 },
      historyBytes: 512 << 20,
      checkpointEvery: 20_000_000,
      debugExitPort: false,
    };
  };
  const flashWrites = async (guest: Guest): Promise<number> => {
    const flash = (await guest.deviceState()).find(({ name }) => name === 'flash1');
    return Number(flash?.children?.find(({ name }) => name === 'writes')?.value);
  };

  for (const chipset of ['i440fx', 'q35'] as const)
    it(`travels back and forth on ${chipset}, seed ${SEED}`, async () => {
      const guest = await openGuest(config(chipset));
      const random = new Random(SEED);
      const seen: { position: number; hash: string; writes: number }[] = [];
      const see = async (): Promise<void> =>
        void seen.push({ position: (await guest.status()).position, hash: await guest.stateHash(), writes: await flashWrites(guest) });
      await see();
      await moved(guest, () => guest.resume({ position: 100 + random.below(1000), unattended: true }));
      await see();
      for (let point = 0; point < POINTS; point++) {
        const position = STRETCH[0] + Math.floor(((point + random.below(1000) / 1000) * (STRETCH[1] - STRETCH[0])) / POINTS);
        await moved(guest, () => guest.resume({ position, unattended: true }));
        await see();
      }
      assert.ok(seen.at(-1)!.writes > 1000, `${seen.at(-1)!.writes} writes to flash`);
      const order = [...seen.keys()].sort(() => random.below(3) - 1);
      for (const index of [...order, seen.length - 1, 0, seen.length - 1]) {
        const { position, hash, writes } = seen[index]!;
        await moved(guest, () => guest.travel(position));
        assert.equal(await guest.stateHash(), hash, `at ${position}`);
        assert.equal(await flashWrites(guest), writes);
      }
      const { position } = await guest.status();
      const hash = await guest.stateHash();
      for (let i = 0; i < 5; i++) await moved(guest, () => guest.step('in', 0));
      for (let i = 0; i < 5; i++) await moved(guest, () => guest.stepBack(0));
      assert.deepEqual([(await guest.status()).position, await guest.stateHash()], [position, hash]);
      await guest.close();
    });

  it('a snapshot of the middle of it goes on the same', async () => {
    const path = join(folder, 'ovmf.guest');
    const guest = await openGuest({ ...config('q35'), historyBytes: 0 });
    await moved(guest, () => guest.resume({ position: 600_000_000, unattended: true }));
    await guest.save(path);
    await moved(guest, () => guest.resume({ position: 640_000_000, unattended: true }));
    const later = await guest.stateHash();
    await guest.close();
    const resumed = await openGuest(undefined, { snapshot: path });
    await moved(resumed, () => resumed.resume({ position: 640_000_000, unattended: true }));
    assert.equal(await resumed.stateHash(), later);
    await resumed.close();
  });
});
