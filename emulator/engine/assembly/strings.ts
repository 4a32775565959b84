// MOVS, STOS, LODS, SCAS, CMPS, INS, OUTS and their REP forms. Whole runs inside a page go at memcpy speed.
// Each iteration counts as one instruction; a run stops exactly where the slice ends.
import {
  BLOCK_CROSSING, BLOCK_HOST, BUDGET, EFLAGS, ES, EXIT_REASON, FLAG_CARRIES, FLAG_RESULT, GPR, LEAVE_RETRY, MASK16, PAGE_CODE, PAGE_FLAGS, PAGE_TABLE,
  REC_MEM, REC_SIZE, SCRATCH, SEGMENT_LINEAR, SINGLE, SINGLE_BLOCK, CPL, WATCHES,
} from '../../x86/layout';
import { beforeCode, beforeTable, dropRange, probeAs, readSlow, touchesCode, waitsForAlone, writeSlow } from './memory';
import { alignmentChecked, canonical, DEVICE, FAULTED, translate, USER, WRITE } from './paging';
import { segmentAddress, segmentSpan } from './segment';
import { markDirty } from './written';

@external("host", "portRead")
declare function hostPortRead(port: u32, size: i32): u32;
@external("host", "portWrite")
declare function hostPortWrite(port: u32, size: i32, value: u32): void;
/** Checks IOPL and the I/O bitmap; 1 where a fault was raised. */
@external("host", "portDenied")
declare function hostPortDenied(port: u32, size: i32): i32;

const RAX = GPR;
const RCX = GPR + 8;
const RDX = GPR + 16;
const RSI = GPR + 48;
const RDI = GPR + 56;

// Outcomes, shared with x86/isa/strings.ts.
const DONE = 0;
const LEFT = 1;
const PARTIAL = 2;

const MOVS = 0;
const STOS = 1;
const LODS = 2;
const SCAS = 3;
const CMPS = 4;
const INS = 5;
const OUTS = 6;

const DIRECTION: u64 = 1 << 10;

function setRegister(at: u32, value: u64, mask: u64): void {
  if (mask == 0xffff) store<u16>(at, value as u16);
  else store<u64>(at, value & mask);
}

/** Flags of a - b for operands of `bits` bits. */
function compareFlags(a: u64, b: u64, bits: i32): void {
  const r = a - b;
  const vector = (~a & b) | ((~a | b) & r);
  const up = (64 - bits) as u64;
  store<i64>(FLAG_RESULT, ((r << up) as i64) >> up);
  store<u64>(FLAG_CARRIES, ((vector << up) & 0xc000000000000000) | (vector & 8));
}

function loadSized(at: u32, size: i32): u64 {
  return size == 1 ? (load<u8>(at) as u64) : size == 2 ? (load<u16>(at) as u64) : size == 4 ? (load<u32>(at) as u64) : load<u64>(at);
}

function fill(host: u32, value: u64, size: i32, count: u32): void {
  const byte = value & 0xff;
  const repeated = size == 1 ? byte : size == 2 ? byte * 0x101 : size == 4 ? byte * 0x1010101 : byte * 0x101010101010101;
  const mask: u64 = size == 8 ? (-1 as u64) : (((1 as u64) << (size * 8)) - 1);
  if ((value & mask) == repeated) {
    memory.fill(host, byte as u8, count * size);
    return;
  }
  for (let i: u32 = 0; i < count; i++) {
    const at = host + i * size;
    if (size == 2) store<u16>(at, value as u16);
    else if (size == 4) store<u32>(at, value as u32);
    else store<u64>(at, value);
  }
}

/** Elements that fit into the page from here, and into the segment. */
function roomInPage(linear: u64, segment: i32, offset: u64, mask: u64, size: i32): u32 {
  const room: u64 = 0x1000 - (linear & 0xfff);
  return (min(room, segmentSpan(segment, offset, mask)) as u32) / (size as u32);
}

/**
 * Runs a string instruction. The block has paid for the first iteration; the others are paid here.
 */
export function string(record: u32, operation: i32): i32 {
  const sizeField = load<u8>(record + REC_SIZE);
  const size: i32 = 1 << (sizeField & 3);
  const rep = (sizeField >> 2) & 3;
  const memoryField = load<u8>(record + REC_MEM) as i32;
  const mask = load<u64>(MASK16 + ((memoryField >> 4) & 3) * 8);
  const step: i64 = load<u64>(EFLAGS) & DIRECTION ? -size : size;
  const source = memoryField & 7;
  const reads = operation == MOVS || operation == LODS || operation == CMPS || operation == OUTS;
  const destination = operation != LODS && operation != OUTS;
  const writes = operation == MOVS || operation == STOS || operation == INS;
  const user = load<u32>(CPL) == 3 ? USER : 0;

  if (rep && (load<u64>(RCX) & mask) == 0) return DONE;
  if (operation >= INS && hostPortDenied(load<u16>(RDX), size)) return LEFT;
  let first: bool = true;
  for (;;) {
    // What runs alone is one element, or a run of plain ones.
    if (!first && (load<i32>(BUDGET) <= 0 || load<u32>(SINGLE))) return PARTIAL;
    let from: u64 = 0;
    let to: u64 = 0;
    if (reads) {
      if (segmentAddress(source, load<u64>(RSI) & mask, size, 0)) return leave(first);
      from = load<u64>(SEGMENT_LINEAR);
    }
    if (destination) {
      if (segmentAddress(ES, load<u64>(RDI) & mask, size, writes ? 1 : 0)) return leave(first);
      to = load<u64>(SEGMENT_LINEAR);
    }

    // Runs of MOVS and STOS forwards, inside one page on each side.
    if (rep && step > 0 && operation <= STOS && canonical(from) && canonical(to) && !alignmentChecked() && !load<u32>(WATCHES)) {
      const count = load<u64>(RCX) & mask;
      const paid = load<i32>(BUDGET) + (first ? 1 : 0);
      let n = (count < (paid as u64) ? count : (paid as u64)) as u32;
      n = min(n, roomInPage(to, ES, load<u64>(RDI) & mask, mask, size));
      if (operation == MOVS) n = min(n, roomInPage(from, source, load<u64>(RSI) & mask, mask, size));
      if (n > 1) {
        const target = translate(to, WRITE | user);
        const origin = operation == MOVS && target > DEVICE ? translate(from, user) : 2;
        if (target > DEVICE && origin > DEVICE) n = plainBytes(target, n * size) / size;
        else n = 0;
        if (n) {
          const bytes = n * size;
          if (operation == STOS) fill(target, load<u64>(RAX), size, n);
          else if (target > origin && target < origin + bytes) {
            for (let i: u32 = 0; i < bytes; i += size) copyElement(target + i, origin + i, size);
          } else memory.copy(target, origin, bytes);
          if (operation == MOVS) setRegister(RSI, load<u64>(RSI) + bytes, mask);
          setRegister(RDI, load<u64>(RDI) + bytes, mask);
          setRegister(RCX, load<u64>(RCX) - n, mask);
          store<i32>(BUDGET, load<i32>(BUDGET) - (n as i32) + (first ? 1 : 0));
          first = false;
          if ((load<u64>(RCX) & mask) == 0) return DONE;
          continue;
        }
        store<u32>(EXIT_REASON, 0);
      }
    }

    let a: u64 = 0;
    if (reads) {
      const at = readSlow(from, size, 0);
      if (!at) return leave(first);
      a = loadSized(at, size);
    } else if (operation == STOS || operation == SCAS) a = loadSized(RAX, size);
    if (operation == CMPS || operation == SCAS) {
      const at = readSlow(to, size, 0);
      if (!at) return leave(first);
      compareFlags(a, loadSized(at, size), size * 8);
    } else if (operation == INS) {
      // The port is read only once the write is known to succeed.
      if (probeAs(to, size, WRITE | user)) return leave(first);
      if (waitsForAlone(to, size, WRITE | user)) {
        store<u32>(EXIT_REASON, LEAVE_RETRY);
        return leave(first);
      }
      a = hostPortRead(load<u16>(RDX), size) as u64;
    }
    if (writes && writeSlow(to, a, size, 0)) return leave(first);
    if (operation == LODS) {
      if (size == 4) store<u64>(RAX, a);
      else if (size == 8) store<u64>(RAX, a);
      else if (size == 2) store<u16>(RAX, a as u16);
      else store<u8>(RAX, a as u8);
    } else if (operation == OUTS) hostPortWrite(load<u16>(RDX), size, a as u32);
    if (reads) setRegister(RSI, load<u64>(RSI) + step, mask);
    if (destination) setRegister(RDI, load<u64>(RDI) + step, mask);
    if (!first) store<i32>(BUDGET, load<i32>(BUDGET) - 1);
    first = false;
    if (!rep) return DONE;
    setRegister(RCX, load<u64>(RCX) - 1, mask);
    if ((load<u64>(RCX) & mask) == 0) return DONE;
    if (operation == CMPS || operation == SCAS) {
      const equal = load<i64>(FLAG_RESULT) == 0;
      if (equal != (rep == 1)) return DONE;
    }
  }
  return DONE;
}

function copyElement(to: u32, from: u32, size: i32): void {
  if (size == 1) store<u8>(to, load<u8>(from));
  else if (size == 2) store<u16>(to, load<u16>(from));
  else if (size == 4) store<u32>(to, load<u32>(from));
  else store<u64>(to, load<u64>(from));
}

/** A fault or retry after some iterations: they stay done and paid for. */
function leave(first: bool): i32 {
  if (!first) store<i32>(BUDGET, load<i32>(BUDGET) - 1);
  return LEFT;
}

/** PAGE_CODE, PAGE_TABLE, PAGE_ROM and PAGE_WATCHED. */
const SPECIAL: u32 = 0x1e;

/**
 * How many bytes of a run of writes inside one page can be written at once: up to code that is decoded, and to a page table's
 * entry that a translation may depend on. An instruction that runs alone drops code, unless it may be its own.
 */
function plainBytes(host: u32, bytes: u32): u32 {
  const page = host >> 12;
  const special = load<u8>(PAGE_FLAGS + page) & SPECIAL;
  if (!special) return bytes;
  if (special & ~(PAGE_CODE | PAGE_TABLE)) return 0;
  let plain = special & PAGE_TABLE ? beforeTable(host, bytes) : bytes;
  if (special & PAGE_CODE) {
    const apart = load<u32>(SINGLE) && !load<u32>(SINGLE_BLOCK + BLOCK_CROSSING) && load<u32>(SINGLE_BLOCK + BLOCK_HOST) >> 12 != page;
    if (!apart) plain = beforeCode(host, plain);
    else if (plain && touchesCode(host, plain)) dropRange(host, plain);
  }
  if (plain) markDirty(page);
  return plain;
}
