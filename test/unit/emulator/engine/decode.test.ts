/** Lengths against iced-x86, over random bytes and over the code of a real kernel. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CpuidFeature, Decoder as Iced, DecoderOptions, Instruction, Mnemonic } from 'iced-x86';
import type { WasmEngine } from '../../../../emulator/engine/wasm-engine';
import * as layout from '../../../../emulator/x86/layout';
import { Random } from '../../../oracle/random';
import { bareEngine, CODE } from './bare';

const MODES = {
  16: 0,
  32: layout.MODE_CODE32 | layout.MODE_STACK32 | layout.MODE_FLAT,
  64: layout.MODE_64,
} as const;
type Bits = keyof typeof MODES;

/** Features that the vCPU has; everything else is #UD here and not compared. */
const FEATURES =
  /^(intel(8086|186|286|386|486)(only)?|intel386only|x64|cpuid|fpu|fpu(2|3)87|mmx|sse|sse2|sse3|ssse3|sse4_1|sse4_2|popcnt|cmov|cx8|cmpxchg16b|fxsr|xsave|xsaveopt|fsgsbase|invpcid|smap|syscall|rdtscp|msr|tsc|sep|rdpmc|multibytenop|pause|clfsh|prefetchw|ud)$/;

const RECORD = layout.SINGLE_BLOCK;
const AT = layout.RAM + CODE;

function theirs(iced: Iced, instruction: Instruction): number | string | undefined {
  iced.decodeOut(instruction);
  if (instruction.isInvalid) return 'invalid';
  const features = [...instruction.cpuidFeatures()].map((f) => CpuidFeature[f]!.toLowerCase());
  return features.every((f) => FEATURES.test(f)) && !SKIPPED.has(Mnemonic[instruction.mnemonic]!) ? instruction.length : undefined;
}

/** Known to iced, refused by every processor that this one is modelled on, or not advertised. */
const SKIPPED: ReadonlySet<string> = new Set([
  'Loadall',
  'Umov',
  'Ibts',
  'Xbts',
  'Rsm',
  'Monitor',
  'Mwait',
  'Vmcall',
  'Getsec',
  'Storeall',
  'Cmpxchg486',
  'Zalloc',
  'Reservednop',
]);

describe('the decoder beside iced-x86', () => {
  let engine: WasmEngine;
  before(async () => {
    engine = await bareEngine('90');
  });

  /** Our length, or the number of why there is none. */
  const ours = (bytes: Uint8Array, bits: Bits): number | string => {
    const { exports, ram, view } = engine;
    ram.set(bytes, CODE);
    const failure = exports.decode(AT, AT + bytes.length, MODES[bits], RECORD, 0, 0);
    return failure === 0 ? view.getUint16(RECORD + layout.REC_OFFSET, true) >> 12 : `failure ${failure}`;
  };

  const compare = (bits: Bits, sample: (index: number) => Uint8Array | undefined, limit: number): { same: number; wrong: string[] } => {
    const instruction = new Instruction();
    const wrong: string[] = [];
    let same = 0;
    for (let index = 0; index < limit; index++) {
      const bytes = sample(index);
      if (!bytes) break;
      const iced = new Iced(bits, bytes, DecoderOptions.None);
      const expected = theirs(iced, instruction);
      iced.free();
      if (typeof expected !== 'number') continue;
      const actual = ours(bytes, bits);
      if (actual === expected) same++;
      else wrong.push(`${Buffer.from(bytes.subarray(0, 15)).toString('hex')}: iced ${expected} (${Mnemonic[instruction.mnemonic]}), ours ${actual}`);
    }
    instruction.free();
    return { same, wrong };
  };

  for (const bits of [16, 32, 64] as const)
    it(`random bytes, ${bits}-bit code`, () => {
      const random = new Random(bits);
      const { same, wrong } = compare(bits, () => Uint8Array.from({ length: 16 }, () => random.u32() & 0xff), 100_000);
      assert.deepEqual(wrong.slice(0, 10), []);
      assert.ok(same > 50_000, `only ${same} were compared`);
    }).timeout(60_000);

  it('the code of a Linux kernel', function () {
    const kernel = join(__dirname, '..', '..', '..', '..', '.cache', 'guests', 'linux-cloud', 'vmlinux');
    if (!existsSync(kernel)) {
      console.log('      skipped: the kernel is not there; npm run guests fetches it');
      this.skip();
    }
    const elf = readFileSync(kernel);
    // The first loadable segment holds the text; functions follow each other with padding that decodes too.
    const offset = Number(elf.readBigUInt64LE(Number(elf.readBigUInt64LE(32)) + 8));
    let at = offset;
    const instruction = new Instruction();
    const { same, wrong } = compare(
      64,
      () => {
        const bytes = elf.subarray(at, at + 16);
        const iced = new Iced(64, bytes, DecoderOptions.None);
        iced.decodeOut(instruction);
        at += instruction.isInvalid ? 1 : instruction.length;
        iced.free();
        return bytes;
      },
      300_000,
    );
    instruction.free();
    assert.deepEqual(wrong.slice(0, 10), []);
    assert.ok(same > 250_000, `only ${same} were compared`);
  }).timeout(60_000);
});
