/**
 * Displays under hostile guests, with somebody looking on: tests bear the numbers of the kinds of bug that docs/verify.md lists. DISPLAY_LOOKS and DISPLAY_SEED say how often and at what.
 */
import assert from 'node:assert/strict';
import { pictureOf, type Scanout } from '../../emulator/devices/scanout';
import { RfbServer } from '../../emulator/display/rfb/server';
import type { MachineConfig } from '../../emulator/machine/api';
import type { Images } from '../../emulator/machine/images';
import { Machine } from '../../emulator/machine/machine';
import { ScreenChanges } from '../../emulator/machine/screenchanges';
import { compiled, CONFIG } from '../unit/emulator/machine/guests';
import { randomOf, type Random } from './mutate';
import { Traffic } from './traffic';

const LOOKS = Number(process.env['DISPLAY_LOOKS'] ?? 1500);
const SEED = Number(process.env['DISPLAY_SEED'] ?? 1);
/** Pixels that any display may have: those of 3840 by 2160, and ramfb's. */
const MOST_PIXELS = 16 << 20;
const MOST_MEMORY = 512 << 20;

const ROM = new Uint8Array(0x10000).fill(0xf4);
const { loadAddress, loadMode, ...BARE } = CONFIG;
const COMMON = { ...BARE, framebuffer: { width: 640, height: 480 } };
const BIOS: Images = { bios: { name: 'bios', bytes: ROM } };
const BOARDS: readonly { readonly name: string; readonly config: MachineConfig; readonly images: Images }[] = [
  {
    name: 'fbuf with its VGA',
    config: { ...COMMON, loadAddress: loadAddress!, loadMode: loadMode!, legacyVga: 'on' },
    images: { kernel: { name: 'halt', bytes: Uint8Array.of(0xf4) } },
  },
  { name: 'vga', config: { ...COMMON, display: 'vga' }, images: BIOS },
  { name: 'ramfb', config: { ...COMMON, display: 'ramfb' }, images: BIOS },
];

const make = async (config: MachineConfig, images: Images): Promise<Machine> => Machine.create(config, images, await compiled(), { serial: () => false });
const odd = (random: Random, usual: readonly number[], bits: number): number =>
  random(3) === 0 ? [0, 1, 2 ** bits - 1, 2 ** (bits - 1), random(2 ** bits)][random(5)]! : usual[random(usual.length)]!;

/** Sets some mode, of which most make sense. */
function setMode({ board }: Machine, random: Random): void {
  const { fbuf, vga, ramfb, legacyVga } = board;
  const [width, height] = [odd(random, [640, 800, 1024, 642], 16), odd(random, [480, 600, 481], 16)];
  if (fbuf) {
    fbuf.mmioWrite(8, 2, odd(random, [16, 24, 32], 16));
    fbuf.mmioWrite(4, 4, ((height << 16) | width) >>> 0);
  }
  if (vga) {
    const write = (index: number, value: number): void => {
      vga.portWrite(0x1ce, 2, index);
      vga.portWrite(0x1cf, 2, value & 0xffff);
    };
    write(4, 0);
    [width, height, odd(random, [4, 8, 15, 16, 24, 32], 16)].forEach((value, index) => write(1 + index, value));
    write(4, odd(random, [0x41, 0xc1, 0x61, 0], 16));
    for (const index of [6, 8, 9]) if (random(3) === 0) write(index, odd(random, [0, 1, 640, 1024], 16));
  }
  if (ramfb) {
    const view = new DataView(ramfb.state.config.buffer, ramfb.state.config.byteOffset);
    view.setBigUint64(0, BigInt(odd(random, [0x200000, 0x100000, 0x300123, 0x8000, 0xfff000], 40)));
    view.setUint32(8, [0x34325258, 0x34324752, 0x36314752, random(2 ** 32)][random(4)]!);
    view.setUint32(16, odd(random, [640, 100], 32));
    view.setUint32(20, odd(random, [480, 7], 32));
    view.setUint32(24, odd(random, [0, 2560, 1280, 4096], 32));
  }
  const state = vga?.state.vga ?? legacyVga?.state.vga;
  if (!state || random(2) === 0) return;
  // Registers of VGA, by every index that there is and that there is not.
  for (const file of [state.crtc, state.sequencer, state.graphics]) for (const name of Object.keys(file)) Object.assign(file, { [name]: random(256) });
  Object.assign(state.attribute, { mode: random(256), panning: random(256), planeEnable: random(256), colorSelect: random(256) });
  state.attributeIndex = random(4) === 0 ? random(64) : 0x20;
}

/** Writes to video memory the way of chips, and of the guest's stores. */
function draw(machine: Machine, scanout: Scanout | undefined, random: Random): void {
  if (!scanout || scanout.end <= scanout.first) return;
  const at = scanout.first + random(Math.min(scanout.end - scanout.first, 1 << 30));
  const bytes = Uint8Array.from({ length: 1 + random(64) }, () => random(256));
  if (!scanout.memory) return machine.engine.physicalWrite(at, bytes);
  const name = machine.board.vga ? 'vga' : scanout.memory === machine.board.fbuf?.backing.bytes ? 'framebuffer' : 'vgaplanes';
  machine.engine.writeBacking(name, Math.min(at, scanout.memory.length - bytes.length), bytes);
}

describe('displays with hostile guests', function () {
  this.timeout(0);

  for (const [number, { name, config, images }] of BOARDS.entries()) {
    it(`1, 2, 4, 9, 10, 13: ${name}: what changes say is what a whole picture shows, after ${LOOKS} bursts of anything`, async () => {
      const random = randomOf(SEED * 100 + number);
      const machine = await make(config, images);
      const traffic = new Traffic(machine, random, () => undefined, () => undefined); // prettier-ignore
      traffic.start();
      const changes = new ScreenChanges(machine);
      let [serial, width, height, pixels] = [0, 0, 0, new Uint32Array()];
      let [drawn, whole, modes] = [0, 0, 0];
      const before = process.memoryUsage();
      for (let look = 0; look < LOOKS; look++) {
        const what = `DISPLAY_SEED=${SEED}, ${name}, look ${look}`;
        try {
          if (random(12) === 0) {
            setMode(machine, random);
            modes++;
          }
          if (random(3) === 0) traffic.burst();
          machine.host.takeRequests();
          for (let writes = random(4); writes > 0; writes--) draw(machine, machine.board.scanout(), random);
          const found = changes.since(serial);
          if (!found) continue;
          assert.ok(found.width * found.height <= MOST_PIXELS, `${found.width} by ${found.height}`);
          if (found.width !== width || found.height !== height) pixels = new Uint32Array(found.width * found.height).fill(7);
          ({ serial, width, height } = found);
          const fresh = new Uint32Array(found.rgba.buffer);
          let at = 0;
          for (const band of found.bands) {
            pixels.set(fresh.subarray(at, at + band.height * width), band.y * width);
            at += band.height * width;
          }
          assert.equal(at, fresh.length);
          drawn += fresh.length;
          whole += width * height;
          if (width * height > 1 << 20 && random(10) > 0) continue;
          const scanout = machine.board.scanout()!;
          const { rgba } = pictureOf(scanout);
          if (Buffer.compare(rgba, new Uint8Array(pixels.buffer)) !== 0) assert.fail(`another picture: ${scanout.key.slice(0, 40)} ${width} by ${height}`);
        } catch (error) {
          assert.fail(`${what}: ${error instanceof Error ? error.stack : String(error)}`);
        }
      }
      const after = process.memoryUsage();
      assert.ok(after.external + after.heapUsed - before.external - before.heapUsed < MOST_MEMORY, 'memory is bounded');
      console.log(`      ${modes} modes; of ${(whole / 1e6).toFixed(0)} million pixels ${((drawn * 100) / whole).toFixed(0)} % were drawn`);
      assert.ok(modes > 0 && drawn < whole);
    });
  }

  it('2, 8: a framebuffer that lies over the window of its own registers, over holes or beyond memory is read without harm', async () => {
    const machine = await make(BOARDS[2]!.config, BOARDS[2]!.images);
    const { ramfb } = machine.board;
    const changes = new ScreenChanges(machine);
    for (const address of [0xa0000n, 0xfec00000n, 0xfee00000n, 0xfffff000n, 0xffffffffn, 1n << 40n, (1n << 64n) - 4096n, BigInt(machine.config.memory - 100)]) {
      const view = new DataView(ramfb!.state.config.buffer, ramfb!.state.config.byteOffset);
      view.setBigUint64(0, address);
      view.setUint32(8, 0x34325258);
      view.setUint32(16, 640);
      view.setUint32(20, 480);
      const found = changes.since(0);
      assert.equal(found?.rgba.length, 640 * 480 * 4, `at 0x${address.toString(16)}`);
    }
  });

  it('11: thousands of modes, one after the other, leave an RFB server with one picture', () => {
    const random = randomOf(SEED + 7);
    const server = new RfbServer('guest', { key: () => undefined, pointer: () => undefined, clipboard: () => undefined });
    const client = server.connect({ send: () => undefined, backlog: 1 << 20, close: () => undefined });
    client.receive(Buffer.from('RFB 003.008\n\x01\x01', 'latin1'));
    const before = process.memoryUsage();
    for (let i = 0; i < 3000; i++) {
      const [width, height] = [1 + random(400), 1 + random(300)];
      server.show({ width, height, rgba: new Uint8Array(width * height * 4).fill(i) });
    }
    const after = process.memoryUsage();
    assert.ok(after.external + after.heapUsed - before.external - before.heapUsed < MOST_MEMORY);
    assert.equal(server.connected, 1);
  });

  it('9, 12: keyboard, mouse and their controller take any order of commands and input', async () => {
    const random = randomOf(SEED + 8);
    const machine = await make(BOARDS[0]!.config, BOARDS[0]!.images);
    const { bus, board } = machine;
    const commands = [0x20, 0x60, 0xa7, 0xa8, 0xa9, 0xaa, 0xab, 0xad, 0xae, 0xd0, 0xd1, 0xd2, 0xd3, 0xd4, 0xf2, 0xf0, 0xff, 0xf4, 0xf5, 0xf6];
    for (let i = 0; i < 50_000; i++) {
      const kind = random(6);
      if (kind === 0) bus.portWrite(0x64, 1, random(4) ? commands[random(commands.length)]! : random(256));
      else if (kind === 1) bus.portWrite(0x60, 1, random(4) ? commands[random(commands.length)]! : random(256));
      else if (kind === 2) assert.ok(bus.portRead(0x60, 1) <= 0xff);
      else if (kind === 3) assert.ok(bus.portRead(0x64, 1) <= 0xff);
      else if (kind === 4) board.keyboard.key(['KeyA', 'Pause', 'PrintScreen', 'Nothing'][random(4)]!, random(2) === 0);
      else board.mouse.input({ dx: random(4000) - 2000, dy: random(4000) - 2000, wheel: random(9) - 4, buttons: random(32) });
      machine.host.takeRequests();
    }
    // It is still a keyboard: its interface tests itself.
    for (let i = 0; i < 100 && bus.portRead(0x64, 1) & 1; i++) bus.portRead(0x60, 1);
    bus.portWrite(0x64, 1, 0xaa);
    assert.equal(bus.portRead(0x60, 1), 0x55);
  });
});
