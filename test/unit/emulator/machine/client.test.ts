import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EmulatorError } from '../../../../emulator/errors';
import type { Guest, GuestEvent, MachineConfig, Stop } from '../../../../emulator/machine/api';
import { createGuest } from '../../../../emulator/machine/client';
import { CONFIG, ECHO, EXIT } from './guests';

describe('guest in a worker thread', function () {
  this.timeout(30_000);
  const folder = mkdtempSync(join(tmpdir(), 'guest-'));
  const guests: Guest[] = [];
  after(() => rmSync(folder, { recursive: true }));
  afterEach(async () => {
    for (const guest of guests.splice(0)) await guest.close();
  });

  const start = async (image: typeof ECHO, config: Partial<MachineConfig> = {}): Promise<Guest> => {
    const kernel = join(folder, image.kernel!.name);
    writeFileSync(kernel, image.kernel!.bytes);
    const guest = await createGuest({ ...CONFIG, kernel, ...config });
    guests.push(guest);
    return guest;
  };
  const stopOf = (guest: Guest): Promise<Stop> =>
    new Promise((resolve) => {
      const off = guest.on((event) => {
        if (event.event !== 'stopped') return;
        off();
        resolve(event.stop);
      });
    });

  it('runs a guest to its end', async () => {
    const guest = await start(EXIT);
    const stopped = stopOf(guest);
    await guest.resume();
    assert.deepEqual((await stopped).reason, { kind: 'exit', code: 0x43 });
    assert.equal(guest.config.memory, CONFIG.memory);
  });

  it('takes input and gives output while the guest runs, and pauses within 50 ms', async () => {
    const guest = await start(ECHO);
    const events: GuestEvent[] = [];
    const echoed = new Promise<void>((resolve) => {
      guest.on((event) => {
        events.push(event);
        if (event.event === 'serial' && String.fromCharCode(...event.bytes).endsWith('Z')) resolve();
      });
    });
    const stopped = stopOf(guest);
    await guest.resume();
    await guest.serialInput(0, new TextEncoder().encode('az'));
    await echoed;
    const begin = performance.now();
    await guest.pause();
    assert.ok(performance.now() - begin < 50, `${performance.now() - begin} ms`);
    assert.equal((await stopped).reason.kind, 'pause');
    assert.deepEqual([...(await guest.readMemory(0, 'physical', 0x600n, 1))], [2]);
  });

  it('hands bigints, bytes and trees over', async () => {
    const guest = await start(ECHO);
    await guest.setVcpuState(0, ['general', 'rax'], 1n << 63n);
    assert.equal((await guest.registers(0))['rax'], 1n << 63n);
    assert.ok((await guest.deviceState()).some(({ name }) => name === 'lapic0'));
    assert.equal((await guest.stateHash()).length, 32);
  });

  it('keeps code and blame of errors', async () => {
    const wanted = (code: string) => (error: unknown) => error instanceof EmulatorError && error.code === code && error.blame === 'user';
    await assert.rejects(createGuest({ ...CONFIG, kernel: join(folder, 'missing') }), wanted('file'));
    const guest = await start(ECHO);
    await assert.rejects(guest.setVcpuState(0, ['general', 'nothing'], 0n), wanted('no-field'));
    await assert.rejects(guest.stepBack(0), wanted('no-history'));
  });

  it('closes a running guest, and refuses what comes after', async () => {
    const guest = await start(ECHO);
    await guest.resume();
    await guest.close();
    await guest.close();
    await assert.rejects(guest.status(), (error: unknown) => error instanceof EmulatorError && error.code === 'worker-gone');
  });
});
