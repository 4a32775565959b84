import assert from 'node:assert/strict';
import { Script } from '../../../../emulator/cli/script';
import type { ControlledRun } from '../../../../emulator/cli/control';
import type { MachineConfig, RunLimits } from '../../../../emulator/machine/api';
import { FakeGuest } from '../../adapter/fakeguest';

/** Comes to the end of each span at once. */
class Moving extends FakeGuest {
  override async resume({ span }: RunLimits = {}): Promise<void> {
    this.calls.push(`${span ? span.time / 1e6 : '?'} ms`);
    const stop = { reason: { kind: 'limit' } as const, vcpu: 0, position: 0, time: 0, rip: 0n };
    setImmediate(() => this.emit({ event: 'stopped', stop }));
  }
}

describe('steps of a run', () => {
  async function click(config: Partial<MachineConfig>): Promise<readonly string[]> {
    const guest = new Moving(config);
    const control = { moving: () => undefined, paused: false } as unknown as ControlledRun;
    const script = new Script(guest, {}, { control, released: new Promise(() => undefined), over: () => false });
    await script.run([{ kind: 'click', x: 7, y: 4, button: 1 }]);
    return guest.calls.slice(0, -1);
  }
  const ends = ['pointer 7 4 0 0', '100 ms', 'pointer 7 4 1 0', '100 ms', 'pointer 7 4 0 0', '100 ms'];
  const begins = ['pointer 8192 8192 0 0', 'pointer 0 0 0 0', '500 ms'];

  it('a tablet is put to a place', async () => {
    assert.deepEqual(await click({ usb: ['keyboard', 'tablet'] }), [...begins, ...ends]);
  });

  it('a mouse goes there slowly from the corner, so that no guest accelerates it', async () => {
    const steps = ['pointer 2 2 0 0', '10 ms', 'pointer 4 4 0 0', '10 ms', 'pointer 6 4 0 0', '10 ms'];
    for (const config of [{}, { usb: ['keyboard'] as const }]) assert.deepEqual(await click(config), [...begins, ...steps, ...ends]);
  });
});
