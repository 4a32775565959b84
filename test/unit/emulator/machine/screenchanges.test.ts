import assert from 'node:assert/strict';
import { pictureOf, type Scanout } from '../../../../emulator/devices/scanout';
import { vgaScanout } from '../../../../emulator/devices/vgapicture';
import type { FrameChanges } from '../../../../emulator/machine/api';
import { LocalGuest } from '../../../../emulator/machine/local';
import type { Machine } from '../../../../emulator/machine/machine';
import { nodePace } from '../../../../emulator/machine/node';
import { ScreenChanges } from '../../../../emulator/machine/screenchanges';
import { Timeline } from '../../../../emulator/snapshot/timeline';
import { VgaBench } from '../devices/vgabench';
import { compiled, CONFIG, SMP_CONFIG } from './guests';

const [WIDTH, HEIGHT] = [1024, 768];
/** Where the board puts BAR1. */
const window = async (guest: LocalGuest): Promise<bigint> => (await guest.memoryMap()).find(({ owner }) => owner === 'fbuf BAR1')!.first;

/** In protected mode: a dword at the beginning of every second row of 4096 bytes, for ever. */
function painter(address: number): Uint8Array {
  const code = Buffer.from('fabf00000000b98001000089074081c70020000049' + '75f4' + 'ebe8', 'hex');
  code.writeUInt32LE(address, 2);
  return code;
}

async function paint(history = false): Promise<LocalGuest> {
  const options = {
    binaries: await compiled(),
    pace: nodePace,
    ...(history && { history: (...given: ConstructorParameters<typeof Timeline>) => new Timeline(...given) }),
  };
  const config = {
    ...CONFIG,
    ...SMP_CONFIG,
    framebuffer: { width: WIDTH, height: HEIGHT },
    ...(history && { historyBytes: 64 << 20, checkpointEvery: 100_000 }),
  };
  const images = (address: number) => ({ kernel: { name: 'painter', bytes: painter(address) } });
  const probe = await LocalGuest.create(config, { ...options, images: images(0) });
  const address = Number(await window(probe));
  await probe.close();
  return LocalGuest.create(config, { ...options, images: images(address) });
}

async function run(guest: LocalGuest, instructions: number): Promise<void> {
  const stopped = new Promise<void>((resolve) => {
    const off = guest.on(({ event }) => {
      if (event !== 'stopped') return;
      off();
      resolve();
    });
  });
  await guest.resume({ position: (await guest.status()).position + instructions, unattended: true });
  await stopped;
}

/** Whoever puts a picture together from changes. */
class Viewer {
  serial = 0;
  width = 0;
  height = 0;
  rgba = new Uint8Array();

  take({ width, height, serial, bands, rgba }: FrameChanges): number {
    if (width !== this.width || height !== this.height) this.rgba = new Uint8Array(width * height * 4).fill(99);
    Object.assign(this, { width, height, serial });
    let at = 0;
    for (const band of bands) {
      const bytes = band.height * width * 4;
      this.rgba.set(rgba.subarray(at, at + bytes), band.y * width * 4);
      at += bytes;
    }
    assert.equal(at, rgba.length);
    return at / width / 4;
  }
  async look(guest: LocalGuest): Promise<number> {
    return this.take((await guest.frameChanges(this.serial))!);
  }
  async same(guest: LocalGuest, what: string): Promise<void> {
    const frame = (await guest.frame())!;
    assert.ok(frame.width === this.width && Buffer.compare(frame.rgba, this.rgba) === 0, what);
  }
}

describe('changes of the screen', function () {
  this.timeout(30_000);

  it('are the rows of pages that were written, for each who asks', async () => {
    const guest = await paint();
    const [one, other] = [new Viewer(), new Viewer()];
    assert.equal(await one.look(guest), HEIGHT, 'everything at first');
    assert.equal(await one.look(guest), 0, 'then nothing');
    const base = await window(guest);
    await guest.writeMemory(0, 'physical', base + 4096n * 5n + 8n, Uint8Array.of(1, 2, 3, 4));
    assert.equal(await other.look(guest), HEIGHT);
    assert.equal(await one.look(guest), 1, 'a row is a page here');
    await guest.writeMemory(0, 'physical', base + 4096n * 9n - 1n, Uint8Array.of(7, 7));
    assert.deepEqual([await one.look(guest), await other.look(guest), await one.look(guest)], [2, 2, 0]);
    await one.same(guest, 'the first');
    await other.same(guest, 'the other');
    await guest.close();
  });

  it("are found where the guest's own code writes, again and again", async () => {
    const guest = await paint();
    const viewer = new Viewer();
    await viewer.look(guest);
    await run(guest, 8 + 5 * 100);
    assert.equal(await viewer.look(guest), 101);
    await run(guest, 5 * 40);
    assert.ok((await viewer.look(guest)) <= 42);
    for (let i = 0; i < 20; i++) {
      await run(guest, 777);
      assert.ok((await viewer.look(guest)) > 0);
      await viewer.same(guest, `turn ${i}`);
    }
    await guest.close();
  });

  it('do not show in the history: the state is the same whether anybody looks or not', async () => {
    const [watched, alone] = [await paint(), await paint()];
    const viewer = new Viewer();
    for (let i = 0; i < 10; i++) {
      await run(watched, 1001);
      await viewer.look(watched);
    }
    await run(alone, 10_010);
    assert.equal(await watched.stateHash(), await alone.stateHash());
    await viewer.look(watched);
    await viewer.same(watched, 'and the hash takes no mark away');
    await watched.close();
    await alone.close();
  });

  it('are right after travelling back and forth, and after a change of the mode', async () => {
    const guest = await paint(true);
    const viewer = new Viewer();
    await run(guest, 300_000);
    await viewer.look(guest);
    for (const position of [150_003, 299_000, 7, 250_000]) {
      const stopped = new Promise<void>((resolve) => guest.on(({ event }) => void (event === 'stopped' && resolve())));
      await guest.travel(position);
      await stopped;
      await viewer.look(guest);
      await viewer.same(guest, `at ${position}`);
    }
    await guest.setDeviceState(['fbuf', 'mode', 'depth'], 16n);
    assert.equal(await viewer.look(guest), HEIGHT);
    await viewer.same(guest, 'another depth');
    await guest.setDeviceState(['fbuf', 'mode', 'width'], 800n);
    await viewer.look(guest);
    await viewer.same(guest, 'another width');
    await guest.close();
  });

  it('of VGA are those of its planes, registers, fonts, cursor and blinking', () => {
    const vga = new VgaBench().start();
    let frame = 0;
    let seed = 12345;
    const random = (below: number): number => ((seed = (Math.imul(seed, 1103515245) + 12345) >>> 0) >>> 8) % below;
    let taken = 0;
    const scanout = (): Scanout => vgaScanout(vga.state, vga.memory.bytes, frame);
    const reader = { take: () => [], takeWithin: () => [...new Set(vga.written.splice(0).map((offset) => (vga.memory.bytes.byteOffset + offset) >> 12))] };
    const machine = { board: { scanout }, pages: { reader: () => reader }, config: { memory: 0 } } as unknown as Machine;
    const changes = new ScreenChanges(machine);
    const viewer = new Viewer();
    const modes = [
      // Text with a font of its own, planes, CGA's shifts and addresses, 256 colors.
      { lines: 96, registers: [[0x3c4, 1, 1], [0x3c4, 4, 2], [0x3ce, 5, 0x10], [0x3ce, 6, 0x0e], [0x3d4, 9, 0x4f], [0x3d4, 0x17, 0xa3]], mode: 0x0c },
      { lines: 96, registers: [[0x3c4, 1, 1], [0x3c4, 4, 6], [0x3ce, 5, 0], [0x3ce, 6, 5], [0x3d4, 9, 0x40], [0x3d4, 0x17, 0xe3]], mode: 1 },
      { lines: 96, registers: [[0x3c4, 1, 9], [0x3c4, 4, 2], [0x3ce, 5, 0x30], [0x3ce, 6, 0x0f], [0x3d4, 9, 0xc1], [0x3d4, 0x17, 0xa2]], mode: 1 },
      { lines: 96, registers: [[0x3c4, 1, 1], [0x3c4, 4, 0x0e], [0x3ce, 5, 0x40], [0x3ce, 6, 5], [0x3d4, 9, 0x41], [0x3d4, 0x14, 0x40], [0x3d4, 0x17, 0xa3]], mode: 0x41 },
    ] as const; // prettier-ignore
    let looks = 0;
    for (const { lines, registers, mode } of modes) {
      vga.crtc(20, lines);
      for (const [port, index, value] of registers) vga.set(port, index, value);
      vga.attribute(0x10, mode);
      vga.attribute(0x12, 15);
      vga.set(0x3ce, 8, 0xff);
      vga.set(0x3c4, 2, 15);
      for (let i = 0; i < 150; i++) {
        for (let writes = random(4); writes > 0; writes--) {
          if (random(9) === 0) vga.set(0x3c4, 2, 1 + random(15));
          vga.window.mmioWrite((mode & 1 ? 0 : 0x18000) + random(random(2) ? 0x8000 : 4000), 1, random(256));
        }
        switch (random(12)) {
          case 0:
            vga.set(0x3d4, 0x0e + random(2), random(80));
            break;
          case 1:
            vga.set(0x3d4, 0x0a + random(2), random(16));
            break;
          case 2:
            vga.set(0x3d4, 0x0c + random(2), random(256));
            break;
          case 3:
            vga.out(0x3c8, random(256));
            for (let k = 0; k < 3; k++) vga.out(0x3c9, random(64));
            break;
          case 4:
            frame += random(20);
            break;
          case 5:
            vga.attribute(random(16), random(64));
            break;
          case 6: // a glyph
            vga.memory.bytes[4 * random(0x2000) + 2] = random(256);
            vga.written.push(4 * random(0x2000));
            vga.written.push(...Array.from({ length: 8 }, (_, page) => page << 12));
            break;
          default:
            break;
        }
        taken += viewer.take(changes.since(viewer.serial)!);
        looks += lines;
        const whole = pictureOf(scanout());
        assert.ok(whole.width === viewer.width && Buffer.compare(whole.rgba, viewer.rgba) === 0, `mode ${mode}, look ${i}`);
      }
    }
    assert.ok(taken < looks * 0.7, `${taken} of ${looks} lines were drawn`);
  });
});
