// PCMPESTRI, PCMPESTRM, PCMPISTRI, PCMPISTRM (SDM volume 2, 4.1): the aggregation and what comes out of it.
// Both operands lie at SCRATCH: the first (XMM1) at 0, the second (XMM2 or memory) at 16.
import { SCRATCH } from '../../x86/layout';

const FIRST = SCRATCH;
const SECOND = SCRATCH + 16;

function element(at: u32, index: i32, words: bool, signed: bool): i32 {
  if (words) return signed ? (load<i16>(at + index * 2) as i32) : (load<u16>(at + index * 2) as i32);
  return signed ? (load<i8>(at + index) as i32) : (load<u8>(at + index) as i32);
}

/** Length up to a zero element. */
export function implicitLength(second: i32, control: i32): i32 {
  const words = (control & 1) != 0;
  const count = words ? 8 : 16;
  const at = second ? SECOND : FIRST;
  for (let i = 0; i < count; i++) if (element(at, i, words, false) == 0) return i;
  return count;
}

/** Length from EAX or EDX: its absolute value, saturated. */
export function explicitLength(value: i64, control: i32): i32 {
  const count: i64 = control & 1 ? 8 : 16;
  const magnitude = value < 0 ? -value : value;
  // The most negative value has no absolute value, and is long enough.
  return (magnitude < 0 || magnitude > count ? count : magnitude) as i32;
}

/** IntRes2: a bit for each element of the second operand. */
export function aggregate(length1: i32, length2: i32, control: i32): i32 {
  const words = (control & 1) != 0;
  const signed = (control & 2) != 0;
  const count = words ? 8 : 16;
  let result = 0;
  for (let j = 0; j < count; j++) {
    const valid2 = j < length2;
    let bit = false;
    switch ((control >> 2) & 3) {
      case 0: // equal any
        for (let i = 0; i < length1; i++) if (valid2 && element(FIRST, i, words, signed) == element(SECOND, j, words, signed)) bit = true;
        break;
      case 1: // ranges
        for (let i = 0; i + 1 < length1; i += 2) {
          const value = element(SECOND, j, words, signed);
          if (valid2 && value >= element(FIRST, i, words, signed) && value <= element(FIRST, i + 1, words, signed)) bit = true;
        }
        break;
      case 2: {
        // equal each: both invalid are equal
        const valid1 = j < length1;
        bit = valid1 && valid2 ? element(FIRST, j, words, signed) == element(SECOND, j, words, signed) : valid1 == valid2;
        break;
      }
      default: // equal ordered: the first is found at this place, as far as the second reaches
        bit = true;
        for (let i = 0; i < length1 && j + i < count; i++)
          if (j + i >= length2 || element(FIRST, i, words, signed) != element(SECOND, j + i, words, signed)) bit = false;
    }
    if (bit) result |= 1 << j;
  }
  const polarity = (control >> 4) & 3;
  const all = (1 << count) - 1;
  if (polarity == 1) result ^= all;
  else if (polarity == 3) result ^= (1 << length2) - 1;
  return result;
}

/** Index of the first or last bit, or the number of elements where there is none. */
export function resultIndex(result: i32, control: i32): i32 {
  if (result == 0) return control & 1 ? 8 : 16;
  return control & 0x40 ? 31 - clz<i32>(result) : ctz<i32>(result);
}

/** Half of the mask that PCMPxSTRM leaves in XMM0: bits, or bytes or words of ones. */
export function resultMask(result: i32, control: i32, high: i32): i64 {
  if (!(control & 0x40)) return high ? 0 : (result as i64);
  const words = (control & 1) != 0;
  const lanes = words ? 4 : 8;
  const ones: i64 = words ? 0xffff : 0xff;
  let mask: i64 = 0;
  for (let i = 0; i < lanes; i++) if ((result >> (i + (high ? lanes : 0))) & 1) mask |= ones << ((i * (words ? 16 : 8)) as i64);
  return mask;
}

/** CRC32C of `size` bytes more (polynomial 11EDC6F41, reflected). */
export function crc32c(crc: u32, value: u64, size: i32): u32 {
  let rest = crc;
  for (let i = 0; i < size; i++) {
    rest ^= ((value >> ((i * 8) as u64)) & 0xff) as u32;
    for (let bit = 0; bit < 8; bit++) rest = (rest >> 1) ^ (rest & 1 ? 0x82f63b78 : 0);
  }
  return rest;
}
