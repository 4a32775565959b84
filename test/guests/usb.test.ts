/** USB tablet and keyboard on the xHCI controller, with the drivers of Linux (Debian's installer has them on board) and of OVMF. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { UsbKeyboard } from '../../emulator/devices/usbkeyboard';
import type { MachineConfig, Stop } from '../../emulator/machine/api';
import type { LocalGuest } from '../../emulator/machine/local';
import { openGuest } from '../../emulator/machine/open';
import { moved } from '../motion';

const installer = join(__dirname, '../../.cache/guests/debian-installer-gtk');
/** Linux's input-event-codes.h. */
const EV = { SYN: 0, KEY: 1, REL: 2, ABS: 3 } as const;
const CODE = { X: 0, Y: 1, WHEEL: 8, LEFT: 0x110 } as const;
const EVENT = 24;
/** Milliseconds within which an answer is there. */
const PATIENCE = 60_000;

const MACHINE = {
  memory: 1 << 30,
  cpus: 1,
  startTime: 0,
  framebuffer: { width: 1024, height: 768 },
  historyBytes: 0,
  checkpointEvery: 20_000_000,
  debugExitPort: false,
} as const satisfies MachineConfig;

async function runUntil(guest: LocalGuest, text: string): Promise<void> {
  const timer = setTimeout(() => void guest.pause(), PATIENCE);
  const { reason } = await moved(guest, () => guest.resume({ serial: [text], unattended: true }));
  clearTimeout(timer);
  assert.equal(reason.kind, 'limit', `waiting for '${text}'`);
}

describe('USB with Linux', function () {
  this.timeout(600_000);
  let guest: LocalGuest;
  let said = '';

  const move = (action: () => Promise<void>): Promise<Stop> => moved(guest, action);
  const until = (text: string): Promise<void> => runUntil(guest, text);
  /** Types a command; gives what it says before the prompt is back. */
  async function shell(command: string): Promise<string> {
    const before = said.length;
    await guest.serialInput(0, Buffer.from(`${command}; echo EN""D\r`));
    await until('END');
    const text = said.slice(before);
    await until('# ');
    return text;
  }
  /** Starts a command whose output is looked at later. */
  async function begin(command: string): Promise<void> {
    await shell(`(${command}) > /out 2>&1 & sleep 1`);
  }
  const later = (): Promise<string> => shell('sleep 2; cat /out');
  const device = (name: string): LocalGuest['machine']['devices'][number] => guest.machine.devices.find((one) => one.name === name)!;
  /** `/dev/input/eventN` of a device by its name. */
  async function eventOf(name: string): Promise<string> {
    const found = new RegExp(`N: Name="[^"]*${name}"[^]*?H: Handlers=.*(event\\d+)`).exec(await shell('cat /proc/bus/input/devices'));
    assert.ok(found, `Linux has no ${name}`);
    return `/dev/input/${found[1]}`;
  }
  const read = (path: string, count: number): string => `dd if=${path} bs=${EVENT} count=${count} 2>/dev/null | base64`;
  /** Type, code and value of events from their Base64 form. */
  function events(text: string): [number, number, number][] {
    const bytes = Buffer.from(/^([A-Za-z0-9+/=\r\n]{32,})^/m.exec(text)?.[1]?.replaceAll(/\s/g, '') ?? '', 'base64');
    return Array.from({ length: Math.floor(bytes.length / EVENT) }, (_, i) => {
      const at = i * EVENT + 16;
      return [bytes.readUInt16LE(at), bytes.readUInt16LE(at + 2), bytes.readInt32LE(at + 4)];
    });
  }

  before(async function () {
    if (!existsSync(join(installer, 'linux'))) {
      console.log("      skipped: no debian-installer-gtk; 'npm run guests' fetches it");
      return this.skip();
    }
    const config: MachineConfig = {
      ...MACHINE,
      kernel: join(installer, 'linux'),
      initrd: join(installer, 'initrd.gz'),
      append: 'console=ttyS0 rdinit=/bin/sh quiet',
      memory: 768 << 20,
      usb: ['tablet', 'keyboard'],
      historyBytes: 512 << 20,
      checkpointEvery: 200_000_000,
    };
    guest = (await openGuest(config)) as LocalGuest;
    guest.on((event) => event.event === 'serial' && event.port === 0 && (said += Buffer.from(event.bytes).toString('latin1')));
    await until('# ');
    await shell('mount -t proc p /proc; mount -t sysfs s /sys; mount -t devtmpfs d /dev; stty -echo');
    await shell('for m in xhci-pci usbhid hid-generic evdev; do modprobe $m; done; sleep 3');
  });
  after(() => guest?.close());

  it('Linux finds the controller and both devices', async () => {
    const log = await shell('dmesg');
    assert.match(log, /xhci_hcd 0000:00:03\.0: xHCI Host Controller/);
    assert.match(log, /new high-speed USB device/);
    assert.match(log, /USB HID v1\.11 Mouse \[Guest Debugger USB tablet\]/);
    assert.match(log, /USB HID v1\.11 Keyboard \[Guest Debugger USB keyboard\]/);
    assert.doesNotMatch(log, /xhci_hcd.*(WARN|ERROR|error|died)/);
    assert.match(await shell('cat /proc/interrupts'), /\b[1-9]\d* +PCI-MSI.*xhci_hcd/);
  });

  it('the pointer is where it is put, with buttons and wheel', async () => {
    const tablet = await eventOf('USB tablet');
    await begin(read(tablet, 11));
    await guest.pointer(0, 767, 0, 0);
    await shell('sleep 1');
    await guest.pointer(1023, 0, 1, 0);
    await shell('sleep 1');
    await guest.pointer(1023, 0, 0, 1);
    const found = events(await later()).filter(([type]) => type === EV.KEY || type === EV.ABS || type === EV.REL);
    assert.deepEqual(
      found.filter(([type, code]) => type !== EV.REL || code === CODE.WHEEL),
      [
        [EV.ABS, CODE.Y, 0x7fff],
        [EV.KEY, CODE.LEFT, 1],
        [EV.ABS, CODE.X, 0x7fff],
        [EV.ABS, CODE.Y, 0],
        [EV.KEY, CODE.LEFT, 0],
        [EV.REL, CODE.WHEEL, -1],
      ],
    );
  });

  it('typing reaches a virtual terminal through the USB keyboard alone; Caps Lock is lit', async () => {
    await begin('read line < /dev/tty1; echo "typed: $line"');
    const type = async (...codes: string[]): Promise<void> => {
      for (const code of codes) {
        await guest.key(code, true);
        await guest.key(code, false);
      }
    };
    await type('KeyH', 'KeyI', 'Space');
    await guest.key('ShiftLeft', true);
    await type('KeyU', 'KeyS', 'KeyB');
    await guest.key('ShiftLeft', false);
    await type('CapsLock', 'KeyX', 'CapsLock', 'Digit1', 'Slash');
    const board = guest.machine.board;
    assert.deepEqual(board.keyboard.state.output, [], 'nothing goes to the PS/2 keyboard');
    await type('Enter');
    assert.match(await later(), /typed: hi USBX1\/\r/);
    await type('CapsLock');
    await shell('sleep 1');
    const { state } = device('usbkeyboard') as UsbKeyboard;
    assert.equal(state.leds & 2, 2);
    await type('CapsLock');
    await shell('sleep 1');
    assert.equal(state.leds & 2, 0);
  });

  it('a tablet that Linux has put to sleep wakes it', async () => {
    const tablet = await eventOf('USB tablet');
    const folder = '/sys/bus/usb/devices/1-1/power';
    await begin(read(tablet, 3));
    const asleep = await shell(
      `echo enabled > ${folder}/wakeup; echo 500 > ${folder}/autosuspend_delay_ms; echo auto > ${folder}/control; sleep 3; cat ${folder}/runtime_status`,
    );
    assert.match(asleep, /^suspended\r$/m);
    assert.equal(((device('xhci').state['ports'] as { portsc: number }[])[4]!.portsc >> 5) & 0xf, 3, 'the link is in U3');
    await guest.pointer(512, 300, 0, 0);
    const found = events(await later());
    assert.deepEqual(
      found.filter(([type]) => type === EV.ABS).map(([, code]) => code),
      [CODE.X, CODE.Y],
    );
    await shell(`echo on > ${folder}/control`);
  });

  it('is plugged out and in again, by hand', async () => {
    const plug = (there: boolean): Promise<void> => guest.setDeviceState(['xhci', 'ports', '[4]', 'plugged'], there ? 1n : 0n);
    const before = (await shell('dmesg')).match(/Product: USB tablet/g)!.length;
    await plug(false);
    await shell('sleep 1');
    assert.match(await shell('dmesg | tail -5'), /USB disconnect/);
    await plug(true);
    await shell('sleep 2');
    assert.equal((await shell('dmesg')).match(/Product: USB tablet/g)!.length, before + 1);
    await eventOf('USB tablet');
  });

  it('the past is the same when it is gone through again', async () => {
    const [now, hash] = [guest.machine.position, await guest.stateHash()];
    await move(() => guest.travel(now - 3_000_000_000));
    await move(() => guest.travel(now));
    assert.equal(await guest.stateHash(), hash);
  });
});

describe('USB with OVMF', function () {
  this.timeout(600_000);

  for (const chipset of ['q35', 'i440fx'] as const)
    it(`${chipset}: its shell is typed into through the USB keyboard`, async function () {
      const firmware = join(installer, '../ovmf/OVMF_CODE_4M.fd');
      if (!existsSync(firmware)) return this.skip();
      const guest = (await openGuest({ ...MACHINE, firmware, chipset, memory: 512 << 20, usb: ['keyboard'] })) as LocalGuest;
      let said = '';
      guest.on((event) => event.event === 'serial' && event.port === 0 && (said += Buffer.from(event.bytes).toString('latin1')));
      try {
        await runUntil(guest, 'Shell> ');
        for (const code of ['KeyV', 'KeyE', 'KeyR', 'Enter']) {
          await guest.key(code, true);
          await guest.key(code, false);
        }
        assert.deepEqual(guest.machine.board.keyboard.state.output, [], 'the PS/2 keyboard has nothing');
        await runUntil(guest, 'UEFI v2.70');
        assert.match(said, /Shell> [^]*v[^]*e[^]*r[^]*UEFI Interactive Shell v2\.2[^]*UEFI v2\.70$/);
      } finally {
        await guest.close();
      }
    });
});
