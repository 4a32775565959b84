/** A running guest saved, and resumed in a new process, goes on as if nobody had stopped it: state hashes are equal all the way. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Report } from '../../emulator/cli/report';
import type { RunLimits } from '../../emulator/machine/api';
import { features } from '../../emulator/machine/features';
import type { Flash } from '../../emulator/devices/flash';
import type { LocalGuest } from '../../emulator/machine/local';
import { openGuest } from '../../emulator/machine/open';
import { inspectSnapshot } from '../../emulator/snapshot/tools';
import { command } from '../command';

const root = join(__dirname, '../..');
const guests = join(root, '.cache/guests');
const linux = join(guests, 'linux-cloud');
const ovmf = join(guests, 'ovmf');
const generic = join(guests, 'linux-generic');
const installer = join(guests, 'debian-installer-gtk');
const EVERY = 10_000_000;
/** Instructions that are compared; the long suite has more. */
const LENGTH = Number(process.env['REPLAY_LENGTH'] ?? 100_000_000);
const LONG = 500_000_000;

interface Subject {
  readonly name: string;
  readonly needs: string;
  /** The position at which it is saved. */
  readonly saved: number;
  /** It is saved at the first position after that in the midst of a write to the variable store. */
  readonly inFlash?: true;
  /** It has written to these disks by then. */
  readonly written?: readonly string[];
  readonly args: readonly string[];
  /** Files of this run alone. */
  readonly own?: (file: (name: string) => string) => readonly string[];
  /** It takes minutes to get there: only the long suite goes. */
  readonly long?: boolean;
}

const LOAD = 'for m in $(cat /etc/modules); do insmod /lib/modules/$m.ko 2>/dev/null; done; sleep 2; ';
/** For ever. */
function copying(kernel: string, ...steps: readonly string[]): readonly string[] {
  const commands = steps.map((step) => {
    const [from, to] = step.split(' ');
    return `dd if=/dev/${from} of=/dev/${to} bs=64k count=64 iflag=direct oflag=direct 2>/dev/null`;
  });
  return [
    ...['--kernel', join(kernel, 'vmlinuz'), '--append', 'console=ttyS0 quiet', '--memory', '256M', '--rng', '1', '--virtio-console', 'none'],
    ...['--type-serial', `${LOAD}while :; do ${commands.join('; ')}; done`],
  ];
}
function disksOf(kernel: string, file: (name: string) => string, ...buses: readonly string[]): readonly string[] {
  const [initrd, image] = [file('initrd.gz'), file('disk.img')];
  writeFileSync(initrd, Buffer.concat(['initrd.gz', 'modules.gz'].map((name) => readFileSync(join(kernel, name)))));
  writeFileSync(image, Buffer.from(Array.from({ length: 4 << 20 }, (_, i) => (i * i) >>> 9)));
  return ['--initrd', initrd, '--disk', ...buses.map((bus) => `${image},bus=${bus}`)];
}

const GUESTS: readonly [Subject, ...Subject[]] = [
  {
    name: 'Linux',
    needs: join(linux, 'vmlinuz'),
    saved: 400_000_000,
    args: ['--kernel', join(linux, 'vmlinuz'), '--initrd', join(linux, 'initrd.gz'), '--append', 'console=ttyS0', '--memory', '256M'],
  },
  {
    name: 'Linux on two processors',
    needs: join(linux, 'vmlinuz'),
    saved: 500_000_000,
    args: ['--kernel', join(linux, 'vmlinuz'), '--initrd', join(linux, 'initrd.gz'), '--append', 'console=ttyS0', '--memory', '256M', '--cpus', '2'],
  },
  {
    // X is about to draw the list of languages.
    name: "Debian's graphical installer",
    needs: join(installer, 'linux'),
    saved: 17_000_000_000,
    long: true,
    args: [
      ...['--kernel', join(installer, 'linux'), '--initrd', join(installer, 'initrd.gz'), '--append', 'vga=788 --- quiet'],
      ...['--memory', '1G', '--usb', 'tablet,keyboard', '--display', '1024x768'],
    ],
  },
  {
    name: 'OVMF in mid-boot',
    needs: join(ovmf, 'OVMF_CODE_4M.fd'),
    saved: 600_000_000,
    args: ['--firmware', join(ovmf, 'OVMF_CODE_4M.fd'), '--memory', '128M'],
  },
  {
    // Its drivers are at VGA, xHCI, AHCI, NVMe and virtio.
    name: 'OVMF while it writes its variables, on a board with everything',
    needs: join(ovmf, 'OVMF_CODE_4M.fd'),
    saved: 600_000_000,
    inFlash: true,
    args: [
      ...['--firmware', join(ovmf, 'OVMF_CODE_4M.fd'), '--memory', '128M', '--chipset', 'q35', '--display', 'vga'],
      ...['--usb', 'tablet,keyboard', '--rng', '1', '--virtio-console', 'none'],
    ],
    own: (file) => {
      const [vars, image] = [file('vars.fd'), file('disk.img')];
      copyFileSync(join(ovmf, 'OVMF_VARS_4M.fd'), vars);
      writeFileSync(image, Buffer.alloc(1 << 20, 'a disk'));
      return ['--vars', vars, '--disk', image, `${image},bus=ahci`, `${image},bus=nvme`, '--cdrom', image];
    },
  },
  {
    name: 'Linux that copies from a virtio disk to one on NVMe and back',
    needs: join(linux, 'modules.gz'),
    saved: 1_900_000_000,
    written: ['disk0', 'disk1'],
    args: copying(linux, 'vda nvme0n1', 'nvme0n1 vda'),
    own: (file) => disksOf(linux, file, 'virtio', 'nvme'),
  },
  {
    // This kernel unpacks itself for seven thousand million instructions.
    name: 'Linux that copies from a disk on AHCI to virtio, to NVMe and back',
    needs: join(generic, 'modules.gz'),
    saved: 9_000_000_000,
    long: true,
    written: ['disk0', 'disk1', 'disk2'],
    args: copying(generic, 'sda vda', 'vda nvme0n1', 'nvme0n1 sda'),
    own: (file) => disksOf(generic, file, 'ahci', 'virtio', 'nvme'),
  },
];

interface Hash {
  readonly position: number;
  readonly hash: string;
}

/** Runs to a limit; `each` hears of every hash, and is waited for at the end. */
async function hashesOf(guest: LocalGuest, each: (hash: Hash) => Promise<void>, limits: RunLimits): Promise<readonly Hash[]> {
  const hashes: Hash[] = [];
  const waiting: Promise<void>[] = [];
  await new Promise<void>((resolve, reject) => {
    const off = guest.on((event) => {
      if (event.event === 'hash') {
        hashes.push({ position: event.position, hash: event.hash });
        waiting.push(each(event));
      } else if (event.event === 'stopped') {
        off();
        resolve();
      }
    });
    guest.resume(limits).catch(reject);
  });
  await Promise.all(waiting);
  return hashes;
}

/** Modes of flash in which a command waits for the rest of it. */
const WRITING: ReadonlySet<string> = new Set(['program', 'buffer count', 'buffer data', 'buffer confirm']);

async function fieldOf(file: string, part: string, field: string): Promise<unknown> {
  const { chunks } = await inspectSnapshot(file);
  return chunks.find(({ kind, instance }) => instance === part && (kind === 'disk' || kind === 'device.flash'))?.fields[field];
}

/** From where the file was saved: the position after the next write to flash that is not the last one of its command. */
async function nextFlashWrite(file: string): Promise<number> {
  const guest = (await openGuest(undefined, { snapshot: file })) as LocalGuest;
  const { machine } = guest;
  const flash = machine.devices.find(({ name }) => name === 'flash1') as Flash;
  const write = flash.mmioWrite.bind(flash);
  let found = 0;
  flash.mmioWrite = (...access) => {
    write(...access);
    if (found === 0 && WRITING.has(flash.state.mode)) found = machine.position + 1;
  };
  for (let position = machine.position; found === 0;) await hashesOf(guest, () => Promise.resolve(), { position: (position += EVERY), unattended: true });
  await guest.close();
  return found;
}

describe('a snapshot resumed in a new process', function () {
  this.timeout(1_800_000);
  const folder = mkdtempSync(join(tmpdir(), 'guest-process-'));
  after(() => rmSync(folder, { recursive: true }));

  function guest(...args: string[]): Report {
    const report = join(folder, 'report.json');
    rmSync(report, { force: true });
    const serial = `file:${join(folder, 'serial.txt')}`;
    const { stderr } = spawnSync(process.execPath, [...command, ...args, '--serial', serial, '--report', report], { cwd: root, encoding: 'utf8', input: '' });
    assert.ok(existsSync(report), stderr);
    return JSON.parse(readFileSync(report, 'utf8')) as Report;
  }

  for (const { name, needs, saved: from, inFlash = false, written = [], args: common, own, long = false } of GUESTS)
    it(`${name}: as the uninterrupted run for ${LENGTH / 1e6} million instructions`, async function () {
      const why = !existsSync(needs) ? "no guest; 'npm run guests' fetches it" : long && LENGTH < LONG ? "'npm test -- replay-long' runs it" : undefined;
      if (why) {
        console.log(`      skipped: ${why}`);
        return this.skip();
      }
      const [file, again] = [join(folder, 'first.guest'), join(folder, 'again.guest')];
      const argsNow = (): readonly string[] => [...common, ...(own?.((each) => join(folder, each)) ?? [])];
      let saved = from;
      if (inFlash) {
        guest('run', ...argsNow(), '--max-instructions', String(from), '--suspend', file);
        saved = await nextFlashWrite(file);
      }
      const args = argsNow();
      const hashes = ['--state-hash-every', String(EVERY), '--max-instructions', String(saved + LENGTH)];
      const whole = guest('run', ...args, ...hashes);
      guest('run', ...argsNow(), '--max-instructions', String(saved), '--suspend', file);
      if (inFlash) assert.ok(WRITING.has(String(await fieldOf(file, 'flash1', 'mode'))), 'it waits for the rest of a command');
      for (const disk of written) assert.notDeepEqual(await fieldOf(file, disk, 'groups'), [], `${disk} has not been written to`);
      guest('resume', file, '--max-instructions', String(saved), '--suspend', again);
      assert.ok(readFileSync(file).equals(readFileSync(again)), 'saved, restored and saved again: the same bytes');
      const resumed = guest('resume', file, ...hashes);
      const expected = whole.hashes.filter(({ position }) => position > saved);
      assert.ok(expected.length >= LENGTH / EVERY - 1, `${expected.length} hashes`);
      assert.deepEqual(
        resumed.hashes.filter(({ position }) => position > saved),
        expected,
      );
    });

  it('Linux: of a guest that runs on, a snapshot is of one moment', async function () {
    const [{ needs }] = GUESTS;
    if (!existsSync(needs)) {
      console.log("      skipped: no guest; 'npm run guests' fetches it");
      return this.skip();
    }
    const file = join(folder, 'running.guest');
    const limit = { position: 400_000_000, hashEvery: EVERY, unattended: true };
    const first = (await openGuest({
      kernel: needs,
      initrd: join(linux, 'initrd.gz'),
      append: 'console=ttyS0',
      memory: 256 << 20,
      cpus: 1,
      startTime: 0,
      framebuffer: false,
      historyBytes: 256 << 20,
      checkpointEvery: 20_000_000,
      debugExitPort: false,
    })) as LocalGuest;
    let [asked, done] = [0, 0];
    const hashes = await hashesOf(first, async ({ position }) => {
      if (asked > 0 || position < 200_000_000) return;
      asked = first.machine.position;
      await first.save(file);
      done = first.machine.position;
    }, limit); // prettier-ignore
    assert.ok(asked > 0 && done > asked, `the guest has gone on from ${asked} to ${done} while it was saved`);
    assert.ok(first.machine.pages.all().length > 4096, 'there is enough to be packed by threads');
    await first.close();
    const resumed = (await openGuest(undefined, { snapshot: file })) as LocalGuest;
    const { position } = await resumed.status();
    assert.ok(position >= asked && position < done, `${position} is when it was asked for`);
    const again = await hashesOf(resumed, () => Promise.resolve(), limit);
    const after = ({ position: at }: Hash): boolean => at > position;
    assert.deepEqual(again.filter(after), hashes.filter(after));
    assert.ok(again.length > 10);
    await resumed.close();
  });

  it('Linux: its past comes along, and is gone back through', async function () {
    const [{ needs, args, saved }] = GUESTS;
    if (!existsSync(needs)) {
      console.log("      skipped: no guest; 'npm run guests' fetches it");
      return this.skip();
    }
    const file = join(folder, 'past.guest');
    const limits = ['--state-hash-every', String(EVERY), '--max-instructions', String(saved)];
    const { hashes } = guest('run', ...args, ...limits, '--suspend', file, '--with-history', '1G');
    const resumed = await features.resume!(file, undefined);
    const travel = async (position: number): Promise<void> => {
      const arrived = new Promise<void>((resolve) => {
        const off = resumed.on(({ event }) => {
          if (event !== 'stopped') return;
          off();
          resolve();
        });
      });
      await resumed.travel(position);
      await arrived;
    };
    try {
      const { oldest } = await resumed.status();
      assert.ok(oldest <= saved / 4, `the past begins at ${oldest}`);
      // Far back first, then nearer to the present, as somebody does who looks for a cause.
      const past = hashes.filter(({ position }) => position < saved && position > oldest);
      for (const { position, hash } of [past[0]!, past.at(-1)!, past[past.length >> 1]!, past.at(-2)!]) {
        await travel(position);
        assert.equal(await resumed.stateHash(), hash, `at ${position}`);
      }
      await travel(saved);
      assert.equal(await resumed.stateHash(), hashes.find(({ position }) => position === saved)!.hash);
    } finally {
      await resumed.close();
    }
  });
});
