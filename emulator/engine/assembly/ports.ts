// Accesses to ports, the usual case (x86/system/io.ts has the others).
import { REC_A, REC_SIZE } from '../../x86/layout';
import { goOn, ordinary } from './privilege';

@external("host", "portRead")
declare function hostPortRead(port: u32, size: i32): u32;
@external("host", "portWrite")
declare function hostPortWrite(port: u32, size: i32, value: u32): void;

/** Bytes of a record's operand: ports have no accesses of 64 bits. */
@inline
function sizeOf(record: u32): i32 {
  return min(1 << (load<u8>(record + REC_SIZE) & 3), 4);
}

/** IN at a record: 1 where it is done and RIP is behind it; 0 where nothing has happened. Whoever hears of the access sees RIP as it is after it. */
export function quickIn(record: u32, port: u32): u32 {
  if (!ordinary()) return 0;
  goOn(record);
  const size = sizeOf(record);
  const value = hostPortRead(port, size);
  const to = load<u16>(record + REC_A) as u32;
  if (size == 1) store<u8>(to, value as u8);
  else if (size == 2) store<u16>(to, value as u16);
  else store<u64>(to, value as u64);
  return 1;
}

/** OUT of a register, likewise. */
export function quickOut(record: u32, port: u32, from: u32): u32 {
  if (!ordinary()) return 0;
  goOn(record);
  const size = sizeOf(record);
  hostPortWrite(port, size, size == 1 ? (load<u8>(from) as u32) : size == 2 ? (load<u16>(from) as u32) : load<u32>(from));
  return 1;
}
