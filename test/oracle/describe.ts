/** Failures for people: a minimal case, as assembly with the state that it starts from. */
import { Decoder, DecoderOptions, Formatter, FormatterSyntax } from 'iced-x86';
import { FX } from './fxstate';
import { after, type GeneratedCase } from './generate';
import { CODE, PAGE } from './layout';

const NAMES = 'rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15'.split(' ');
const hexBytes = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex').replace(/../g, '$& ').trimEnd();

/** nasm text of each instruction. */
export function disassemble(one: Pick<GeneratedCase, 'mode' | 'codeOffset' | 'instructions'>): string[] {
  const formatter = new Formatter(FormatterSyntax.Nasm);
  let ip = BigInt(CODE + one.codeOffset);
  const lines = one.instructions.map(({ bytes }) => {
    const decoder = new Decoder(one.mode, bytes, DecoderOptions.None);
    decoder.ip = ip;
    const instruction = decoder.decode();
    ip += BigInt(bytes.length);
    const text = formatter.format(instruction);
    instruction.free();
    decoder.free();
    return `    ${text.padEnd(48)} ; ${hexBytes(bytes)}`;
  });
  formatter.free();
  return lines;
}

export function describeCase(one: GeneratedCase): string {
  const fx = new DataView(one.fx.buffer, one.fx.byteOffset, one.fx.length);
  const hex = (value: number | bigint, digits: number): string => `0x${value.toString(16).padStart(digits, '0')}`;
  const count = one.mode === 64 ? 16 : 8;
  const lines = [
    `; case ${one.index} of seed ${one.seed}`,
    `bits ${one.mode}`,
    `org ${hex(CODE + one.codeOffset, 8)}`,
    ...disassemble(one),
    '    int3',
    `; rflags ${hex(one.rflags, 1)}`,
  ];
  for (let i = 0; i < count; i += 2) {
    const register = (index: number): string => `${NAMES[index]!.padEnd(3)} ${hex(one.registers[index]!, one.mode / 4)}`;
    lines.push(`; ${register(i)}  ${register(i + 1)}`);
  }
  if (one.fsBase || one.gsBase) lines.push(`; fs base ${hex(one.fsBase, 1)}  gs base ${hex(one.gsBase, 1)}`);
  const text = disassemble(one).join('\n').replace(/;.*/g, '');
  if (/\b(xmm|mxcsr)/.test(text)) {
    lines.push(`; mxcsr ${hex(fx.getUint32(FX.mxcsr, true), 4)}`);
    for (let i = 0; i < count; i++) {
      if (!new RegExp(`\\bxmm${i}\\b`).test(text)) continue;
      const at = FX.xmm + 16 * i;
      lines.push(`; xmm${i} ${hex(fx.getBigUint64(at + 8, true), 16)}:${fx.getBigUint64(at, true).toString(16).padStart(16, '0')}`);
    }
  }
  if (/\b(mm[0-7]|st[0-7]?|f[a-z]+)\b/.test(text)) {
    const word = (at: number): string => hex(fx.getUint16(at, true), 4);
    lines.push(`; fcw ${word(FX.fcw)}  fsw ${word(FX.fsw)}  tags ${hex(fx.getUint8(FX.ftw), 2)}`);
    for (let i = 0; i < 8; i++) {
      const at = FX.st + 16 * i;
      lines.push(`; st${i} ${word(at + 8)}:${fx.getBigUint64(at, true).toString(16).padStart(16, '0')}`);
    }
  }
  return lines.join('\n');
}

/** Leaves out instructions as long as the case still fails. */
export async function minimize(one: GeneratedCase, fails: (smaller: GeneratedCase) => Promise<boolean>): Promise<GeneratedCase> {
  let best = one;
  for (let at = best.instructions.length - 1; at >= 0 && best.instructions.length > 1; at--) {
    let undefinedAfter = best.instructions[0]!.undefinedBefore;
    const instructions = best.instructions
      .filter((_, index) => index !== at)
      .map((one) => {
        const undefinedBefore = undefinedAfter;
        undefinedAfter = after(undefinedBefore, one.verdict);
        return { ...one, undefinedBefore };
      });
    const code = Uint8Array.from(Buffer.concat(instructions.map(({ bytes }) => bytes)));
    // Code at the end of its page stays there.
    const atEnd = best.codeOffset + best.code.length === PAGE;
    const codeOffset = atEnd ? PAGE - code.length : best.codeOffset;
    const smaller = { ...best, instructions, code, codeOffset, undefinedAfter };
    if (await fails(smaller)) best = smaller;
  }
  return best;
}
