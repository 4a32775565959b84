/** What the sample kernel does, for tests that debug it. */
import { cpSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { FrameLocator } from 'playwright-core';
import { until } from './patience';
import type { Workbench } from './workbench';

export const SAMPLES = resolve(__dirname, '../../../samples');
export const KERNEL = join(SAMPLES, 'hello/hello.elf');

export const SOURCE = join(SAMPLES, 'hello/main.c');

const lines = readFileSync(SOURCE, 'utf8').split('\n');
const lineWith = (text: string): number => lines.findIndex((line) => line.includes(text)) + 1;
/** Where it asks whether a number is prime, and what comes then. */
export const MARK = lineWith('bool prime = is_prime(');
export const AFTER = lineWith('if (prime) {');

/** The launch configuration of the samples. */
export const CONFIGURATION = 'Hello (kernel with source)';

/** The samples with their launch.json, as a folder to work in. */
export const copySamples = (folder: string): void => cpSync(SAMPLES, folder, { recursive: true });

/** It draws a gradient, and a cell for each number. */
export const background = (y: number): number[] => [Math.floor((y * 96) / 768), 0x18, 0x60 + Math.floor(Math.floor((y * 96) / 768) / 2)];
export const PRIME = [0xff, 0xd2, 0x4a];
export const cell = (number: number): readonly [x: number, y: number] => [(number % 64) * 16 + 8, 192 + Math.floor(number / 64) * 16 + 8];

/** A pixel of the display. */
export const pixel = (display: FrameLocator, x: number, y: number): Promise<number[]> =>
  display
    .locator('#screen:not([hidden])')
    .evaluate((canvas, at) => [...(canvas as HTMLCanvasElement).getContext('2d')!.getImageData(at.x, at.y, 1, 1).data.slice(0, 3)], { x, y });

/** It notes the last scan code: runs it on until that is as wanted. It stands still then. */
export async function lastKey(code: Workbench, wanted: RegExp): Promise<void> {
  let seen = '';
  const noted = async (): Promise<boolean> => {
    await code.pause();
    await code.stopped();
    if (wanted.test((seen = await code.console.evaluate('u8[last_key]')))) return true;
    await code.toolbar('debug-continue');
    await code.running();
    return false;
  };
  await until(noted, () => `the last key is ${seen}`);
}
