/** Bytes to instructions, by iced-x86. Its objects live in WebAssembly memory and are freed here. */
import { Decoder, DecoderOptions, FlowControl, Formatter, FormatterSyntax, Instruction } from 'iced-x86';
import type { Bits } from '../inspect/view';

export interface Decoded {
  readonly address: bigint;
  readonly bytes: Uint8Array;
  /** Nothing for bytes that are no instruction. */
  readonly text: string | undefined;
  /** What follows `text` when symbols are known: the address that a branch or an RIP-relative operand means. */
  readonly target: bigint | undefined;
  readonly flow: 'next' | 'call' | 'return' | 'jump' | 'conditional' | 'other';
}

/** The longest x86 instruction. */
export const LONGEST = 15;

function flowOf(instruction: Instruction): Decoded['flow'] {
  switch (instruction.flowControl) {
    case FlowControl.Next:
      return 'next';
    case FlowControl.Call:
    case FlowControl.IndirectCall:
      return 'call';
    case FlowControl.Return:
      return 'return';
    case FlowControl.UnconditionalBranch:
    case FlowControl.IndirectBranch:
      return 'jump';
    case FlowControl.ConditionalBranch:
      return 'conditional';
    default:
      return 'other';
  }
}

function targetOf(instruction: Instruction): bigint | undefined {
  switch (instruction.flowControl) {
    case FlowControl.UnconditionalBranch:
    case FlowControl.ConditionalBranch:
    case FlowControl.Call: {
      const target = instruction.nearBranchTarget;
      return target === 0n ? undefined : target;
    }
    default:
      return instruction.isIpRelMemoryOperand ? instruction.ipRelMemoryAddress : undefined;
  }
}

/** Decodes from `address` on until `stop` says so or the bytes end; an instruction that is cut off isn't given. */
export function decode(bytes: Uint8Array, address: bigint, bits: Bits, stop: (instruction: Decoded) => boolean = () => false): Decoded[] {
  const decoder = new Decoder(bits, bytes, DecoderOptions.None);
  const formatter = new Formatter(FormatterSyntax.Intel);
  formatter.hexPrefix = '0x';
  formatter.hexSuffix = '';
  formatter.uppercaseHex = false;
  formatter.spaceAfterOperandSeparator = true;
  formatter.ripRelativeAddresses = false;
  formatter.branchLeadingZeros = false;
  const instruction = new Instruction();
  const found: Decoded[] = [];
  try {
    decoder.ip = address;
    while (decoder.canDecode) {
      const at = decoder.position;
      decoder.decodeOut(instruction);
      const invalid = instruction.isInvalid;
      // The rest of a buffer may be the beginning of an instruction that goes on behind it.
      if (invalid && bytes.length - at < LONGEST) break;
      const length = invalid ? 1 : instruction.length;
      decoder.position = at + length;
      const start = BigInt.asUintN(64, address + BigInt(at));
      decoder.ip = BigInt.asUintN(64, start + BigInt(length));
      const decoded: Decoded = {
        address: start,
        bytes: bytes.slice(at, at + length),
        text: invalid ? undefined : formatter.format(instruction),
        target: invalid ? undefined : targetOf(instruction),
        flow: invalid ? 'other' : flowOf(instruction),
      };
      found.push(decoded);
      if (stop(decoded)) break;
    }
  } finally {
    instruction.free();
    formatter.free();
    decoder.free();
  }
  return found;
}

/** The single instruction at the beginning of `bytes`, even where few bytes follow. */
export function decodeOne(bytes: Uint8Array, address: bigint, bits: Bits): Decoded | undefined {
  const padded = new Uint8Array(bytes.length + LONGEST);
  padded.set(bytes);
  const first = decode(padded, address, bits, () => true)[0];
  return first && first.text !== undefined && first.bytes.length <= bytes.length ? first : undefined;
}
