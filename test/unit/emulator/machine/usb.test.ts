import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { MachineConfig } from '../../../../emulator/machine/api';
import { LocalGuest } from '../../../../emulator/machine/local';
import { nodePace } from '../../../../emulator/machine/node';
import { openGuest } from '../../../../emulator/machine/open';
import { saveSnapshot } from '../../../../emulator/snapshot/file';
import { compiled, CONFIG, TICKS } from './guests';

const SCREEN = { width: 1024, height: 768 };
const make = async (config: Partial<MachineConfig>): Promise<LocalGuest> =>
  LocalGuest.create(
    { ...CONFIG, framebuffer: SCREEN, ...config },
    { images: TICKS, binaries: await compiled(), pace: nodePace, save: (...given) => saveSnapshot(...given).then(() => undefined) },
  );

/** As if a driver had started the controller, configured a device and asked it for reports. */
async function drive(guest: LocalGuest, device: 'tablet' | 'usbkeyboard', port: number): Promise<void> {
  await guest.setDeviceState(['xhci', 'config', 'command'], 6n);
  await guest.setDeviceState(['xhci', 'usbcmd'], 1n);
  await guest.setDeviceState(['xhci', 'ports', `[${port - 1}]`, 'portsc'], 0xe03n);
  await guest.setDeviceState([device, 'configuration'], 1n);
  await guest.setDeviceState([device, 'polled'], 1n);
}

describe('USB in a machine', function () {
  this.timeout(30_000);

  it('is there if it is asked for', async () => {
    const names = async (config: Partial<MachineConfig>): Promise<string[]> => {
      const guest = await make(config);
      const found = guest.machine.devices.map(({ name }) => name).filter((name) => ['xhci', 'tablet', 'usbkeyboard'].includes(name));
      await guest.close();
      return found;
    };
    assert.deepEqual(await names({}), []);
    assert.deepEqual(await names({ usb: [] }), []);
    assert.deepEqual(await names({ usb: ['tablet'] }), ['xhci', 'tablet']);
    assert.deepEqual(await names({ usb: ['keyboard', 'tablet'] }), ['xhci', 'tablet', 'usbkeyboard']);
  });

  it('gets keys and pointer while the guest drives it, which PS/2 gets otherwise', async () => {
    const guest = await make({ usb: ['tablet', 'keyboard'] });
    const { board, devices } = guest.machine;
    const state = (name: string) => devices.find((device) => device.name === name)!.state as Record<string, unknown>;
    await guest.pointer(10, 10, 1, 0);
    await guest.key('KeyA', true);
    assert.deepEqual([state('tablet')['waiting'], state('usbkeyboard')['changes']], [[], []]);
    assert.deepEqual([board.mouse.state.buttons, board.keyboard.state.held.length], [1, 1]);

    await drive(guest, 'tablet', 5);
    await drive(guest, 'usbkeyboard', 6);
    await guest.pointer(1023, 0, 2, 0);
    await guest.key('KeyB', true);
    await guest.key('KeyA', false);
    assert.deepEqual(state('tablet')['waiting'], [2, 0xff, 0x7f, 0, 0, 0]);
    assert.deepEqual(state('usbkeyboard')['changes'], [5, 1]);
    assert.deepEqual([board.mouse.state.buttons, board.keyboard.state.held.length], [0, 0], 'nothing stays down where nobody is heard any more');

    await guest.setDeviceState([board.mouse.name, 'reporting'], 1n);
    await guest.move(3, -2, 0, 0);
    assert.deepEqual(
      [board.mouse.state.output, state('tablet')['waiting']],
      [
        [8, 3, 2],
        [2, 0xff, 0x7f, 0, 0, 0],
      ],
      'distances are for the mouse, whatever the tablet does',
    );

    await guest.setDeviceState(['xhci', 'usbcmd'], 0n);
    await guest.key('KeyB', false);
    assert.deepEqual(state('usbkeyboard')['changes'], [5, 1, 5, 0], 'what is down comes up');
    await guest.close();
  });

  it('goes with a snapshot, and the events that came to it', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'guest-usb-'));
    const guest = await make({ usb: ['tablet', 'keyboard'] });
    try {
      await drive(guest, 'tablet', 5);
      await guest.pointer(512, 384, 1, 0);
      const file = join(folder, 'usb.guest');
      await guest.save(file);
      const resumed = await openGuest(undefined, { snapshot: file });
      assert.deepEqual(resumed.config.usb, ['tablet', 'keyboard']);
      assert.equal(await resumed.stateHash(), await guest.stateHash());
      await resumed.close();
    } finally {
      await guest.close();
      rmSync(folder, { recursive: true });
    }
  });
});
