/** The picture of VGA's modes, dot by dot the same as QEMU's: ROMs that set registers, fill memory and stop. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { Frame } from '../../emulator/machine/api';
import { LocalGuest } from '../../emulator/machine/local';
import { nodePace } from '../../emulator/machine/node';
import { compiled, CONFIG } from '../unit/emulator/machine/guests';
import { MODES, VgaRom } from './vgarom';

const QEMU = 'qemu-system-x86_64';
/** Milliseconds in which QEMU has to come to the same picture. */
const PATIENCE = 15_000;
const [A000, B800] = [0xa000, 0xb800];
const font = Uint8Array.from({ length: 32 * 256 }, (_, at) => ((at >> 5) * 37 + (at & 31) * 91) ^ (at >> 3));
const map = (rom: VgaRom, planes: number): VgaRom => rom.set(0x3c4, 2, planes);

function text(): VgaRom {
  const rom = new VgaRom().mode(MODES.text).dac();
  // Plane 2 by itself at A0000.
  rom.set(0x3c4, 2, 4).set(0x3c4, 4, 6).set(0x3ce, 4, 2).set(0x3ce, 5, 0).set(0x3ce, 6, 4).copy(A000, 0, font);
  rom.set(0x3c4, 2, 3).set(0x3c4, 4, 2).set(0x3ce, 4, 0).set(0x3ce, 5, 0x10).set(0x3ce, 6, 0x0e).ramp(B800, 0, 0x4000, 0x20, 0);
  // QEMU has the ninth dot of B0-BF too, IBM's table only that of C0-DF.
  for (let i = 0; i < 80; i++) rom.ramp(B800, 160 * 3 + 2 * i, 1, i * 2, 0).ramp(B800, 160 * 3 + 2 * i + 1, 1, i * 3, 0);
  return rom.ramp(B800, 160 * 8, 160, 0x00, 1).ramp(B800, 160 * 10, 0x40, 0xc0, 1);
}

function planes(mode: (typeof MODES)[keyof typeof MODES]): VgaRom {
  const rom = new VgaRom().mode(mode).dac();
  [3, 7, 11, 29].forEach((step, plane) => map(rom, 1 << plane).ramp(A000, 0, 0xa000, plane * 16, step));
  return map(rom, 15);
}

/** Every write mode and function of the graphics controller on what is there. */
function writes(): VgaRom {
  const rom = planes(MODES.vga16);
  for (let fn = 0; fn < 4; fn++) {
    rom.set(0x3ce, 3, (fn << 3) | fn).set(0x3ce, 8, 0xff >> fn);
    for (let i = 0; i < 24; i++) rom.peek(A000, 80 * 20 * fn + i).poke(A000, 80 * 20 * fn + i, 17 * i);
    rom.set(0x3ce, 0, 0x9).set(0x3ce, 1, 0x5);
    for (let i = 0; i < 24; i++) rom.peek(A000, 80 * (20 * fn + 4) + i).poke(A000, 80 * (20 * fn + 4) + i, 29 * i);
    rom.set(0x3ce, 5, 2);
    for (let i = 0; i < 24; i++) rom.peek(A000, 80 * (20 * fn + 8) + i).poke(A000, 80 * (20 * fn + 8) + i, i);
    rom.set(0x3ce, 5, 3).set(0x3ce, 0, 0x6);
    for (let i = 0; i < 24; i++) rom.peek(A000, 80 * (20 * fn + 12) + i).poke(A000, 80 * (20 * fn + 12) + i, 43 * i);
    rom.set(0x3ce, 5, 0).set(0x3ce, 1, 0);
  }
  // Write mode 1 copies all planes; read mode 1 compares, and what it finds is drawn.
  return rom.set(0x3ce, 3, 0).set(0x3ce, 8, 0xff).set(0x3ce, 5, 1).move(A000, 80 * 200, 0, 80 * 60).set(0x3ce, 2, 5).set(0x3ce, 7, 7).set(0x3ce, 5, 8).move(A000, 80 * 300, 80, 80 * 40);
} // prettier-ignore

const CASES: Record<string, VgaRom> = {
  'text with a font of its own': text(),
  'text with two fonts': text().set(0x3c4, 3, 0x04).set(0x3c4, 2, 4).set(0x3c4, 4, 6).set(0x3ce, 5, 0).set(0x3ce, 6, 4).ramp(A000, 0x4000, 0x2000, 7, 13).set(0x3c4, 2, 3).set(0x3c4, 4, 2).set(0x3ce, 5, 0x10).set(0x3ce, 6, 0x0e),
  'text that starts elsewhere, in characters of 8 dots': text().set(0x3c4, 1, 1).set(0x3d4, 0x0c, 0).set(0x3d4, 0x0d, 3 * 80 + 5),
  '4 colors of CGA': new VgaRom().mode(MODES.cga4).dac().ramp(B800, 0, 0x4000, 1, 27),
  '2 colors of CGA': new VgaRom().mode(MODES.cga2).dac().ramp(B800, 0, 0x4000, 1, 27),
  '16 colors, 320 by 200': planes(MODES.ega),
  '16 colors, 640 by 480': planes(MODES.vga16),
  '16 colors through the palette': planes(MODES.vga16).in(0x3da).out(0x3c0, 3, 0x2a, 0x10, 0x81, 0x12, 0x0b, 0x14, 0x0e, 0x20),
  'write modes, functions and latches': writes(),
  'a split screen': planes(MODES.vga16).set(0x3d4, 0x0c, 0x10).set(0x3d4, 0x0d, 0x20).set(0x3d4, 7, 0x2e).set(0x3d4, 9, 0).set(0x3d4, 0x18, 0xc8),
  'mode 13h': new VgaRom().mode(MODES.vga256).dac().ramp(A000, 0, 0xfa00, 0, 3),
  'mode X': planes(MODES.modeX),
  'mode X, page 2': planes(MODES.modeX).set(0x3d4, 0x0c, 0x20).set(0x3d4, 0x0d, 0x11),
  'VBE, 8 bits': vbe(8, 0x41),
  'VBE, 8 bits of an 8-bit palette': vbe(8, 0x61),
  'VBE, 15 bits': vbe(15, 0x41),
  'VBE, 16 bits': vbe(16, 0x41),
  'VBE, 24 bits': vbe(24, 0x41),
  'VBE, 32 bits': vbe(32, 0x41),
}; // prettier-ignore

/** 320 by 200 pixels, filled by banks. */
function vbe(bits: number, enable: number): VgaRom {
  const rom = new VgaRom().mode(MODES.vga256);
  [320, 200, bits].forEach((value, index) => rom.word(0x1ce, index + 1).word(0x1cf, value));
  rom.word(0x1ce, 4).word(0x1cf, enable).dac();
  for (let bank = 0; bank * 8 < bits + 1; bank++) rom.word(0x1ce, 5).word(0x1cf, bank).ramp(A000, 0, 0xffff, bank, 5);
  return rom;
}

async function ours(bytes: Uint8Array): Promise<Frame> {
  const guest = await LocalGuest.create(
    { ...CONFIG, display: 'vga', framebuffer: { width: 1024, height: 768 }, historyBytes: 0 },
    { images: { bios: { name: 'rom', bytes } }, binaries: await compiled(), pace: nodePace },
  );
  const stopped = new Promise<void>((resolve) => guest.on(({ event }) => void (event === 'stopped' && resolve())));
  await guest.resume({ unattended: true });
  await stopped;
  const frame = (await guest.frame())!;
  await guest.close();
  return frame;
}

/** A picture of QEMU's, as its screendump has it: PPM with three bytes a pixel. */
function readPpm(path: string): Frame | undefined {
  const bytes = readFileSync(path);
  const match = /^P6\n(\d+) (\d+)\n255\n/.exec(bytes.subarray(0, 40).toString('latin1'));
  if (!match) return undefined;
  const [width, height] = [Number(match[1]), Number(match[2])];
  const rgb = bytes.subarray(match[0].length);
  if (rgb.length < width * height * 3) return undefined;
  const rgba = new Uint8Array(width * height * 4).fill(255);
  for (let i = 0; i < width * height; i++) rgba.set(rgb.subarray(3 * i, 3 * i + 3), 4 * i);
  return { width, height, rgba };
}

/** The first pixel that differs. The low bits of colors do: six bits become eight in different ways. */
function difference(expected: Frame, actual: Frame): string | undefined {
  const size = ({ width, height }: Frame): string => `${width}x${height}`;
  if (size(expected) !== size(actual)) return `${size(expected)}, not ${size(actual)}`;
  const near = (at: number): boolean => Math.abs(expected.rgba[at]! - actual.rgba[at]!) <= 7;
  for (let at = 0; at < expected.rgba.length; at++) {
    if (near(at)) continue;
    const pixel = at >> 2;
    const color = ({ rgba }: Frame): string => [...rgba.subarray(4 * pixel, 4 * pixel + 3)].join();
    return `(${pixel % expected.width}, ${Math.floor(pixel / expected.width)}): ${color(expected)}, not ${color(actual)}`;
  }
  return undefined;
}

/** QEMU's pictures until one is as expected. */
async function differenceFromQemu(folder: string, bytes: Uint8Array, picture: Frame): Promise<string | undefined> {
  const [rom, shot] = [join(folder, 'rom.bin'), join(folder, 'shot.ppm')];
  writeFileSync(rom, bytes);
  const args = [
    '-machine',
    'pc,accel=tcg',
    '-m',
    '16',
    '-bios',
    rom,
    '-vga',
    'std',
    '-display',
    'none',
    '-nic',
    'none',
    '-serial',
    'none',
    '-monitor',
    'stdio',
  ];
  const qemu = spawn(QEMU, args, { stdio: ['pipe', 'ignore', 'ignore'] });
  try {
    let result: string | undefined = 'QEMU gave no picture';
    for (const end = Date.now() + PATIENCE; Date.now() < end && result !== undefined; await setTimeout(100)) {
      rmSync(shot, { force: true });
      qemu.stdin.write(`screendump ${shot}\n`);
      await setTimeout(100);
      const frame = existsSync(shot) && readPpm(shot);
      if (frame) result = difference(frame, picture);
    }
    return result;
  } finally {
    qemu.kill();
  }
}

describe("VGA beside QEMU's", function () {
  this.timeout(60_000);
  const folder = mkdtempSync(join(tmpdir(), 'guest-vga-'));
  before(function () {
    if (spawnSync(QEMU, ['--version']).status === 0) return;
    console.log(`      skipped: no ${QEMU}`);
    this.skip();
  });
  after(() => rmSync(folder, { recursive: true }));

  for (const [name, rom] of Object.entries(CASES)) {
    it(name, async () => {
      const picture = await ours(rom.bytes());
      const colors = new Set(new Uint32Array(picture.rgba.buffer));
      assert.ok(colors.size > 1, 'a picture');
      assert.equal(await differenceFromQemu(folder, rom.bytes(), picture), undefined);
    });
  }
});
