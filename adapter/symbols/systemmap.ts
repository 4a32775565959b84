import { readSystemMap } from '../../emulator/firmware/systemmap';
import type { Symbol } from './index';

const KIND: Readonly<Record<string, Symbol['kind']>> = {
  t: 'function',
  w: 'function',
  i: 'function',
  d: 'object',
  b: 'object',
  r: 'object',
  v: 'object',
};

/** The symbols of a System.map, loaded `offset` away from the addresses that it tells. */
export const parseSystemMap = (name: string, bytes: Uint8Array, offset: bigint): Symbol[] =>
  readSystemMap(name, bytes).map(({ address, letter, name: symbol }) => ({
    name: symbol,
    address: BigInt.asUintN(64, address + offset),
    size: 0n,
    kind: KIND[letter] ?? 'other',
    module: name,
  }));
