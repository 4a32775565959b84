/** Questions of the Domain Name System (RFC 1035), as far as the host's resolver answers them. */
import { joined, put16, put32, u16At } from './bytes';
import type { Outcome } from './outside';

export const DNS_PORT = 53;
const HEADER = 12;
/** Longest question: a name of 255 bytes, type and class. */
export const MOST_QUESTION = 259;
const FLAG = { RESPONSE: 0x8000, RECURSION_DESIRED: 0x0100, RECURSION_AVAILABLE: 0x0080, OPCODE: 0x7800 } as const;
const CODE = { NONE: 0, FORMAT: 1, SERVER: 2, NAME: 3, NOT_IMPLEMENTED: 4 } as const;
const A = 1;
const AAAA = 28;
const INTERNET = 1;
const SECONDS = 60;
/** Names that are asked for again find the same place in the message: a pointer to the question. */
const QUESTION_POINTER = 0xc000 | HEADER;
const MOST_ADDRESSES = 8;

/** What a message asks for. With a reply: that is all that there is to say. */
export interface Query {
  readonly id: number;
  readonly flags: number;
  /** Name, type and class, as they are in the message. */
  readonly question: Uint8Array;
  readonly name: string;
  readonly reply?: Uint8Array;
}

const message = (id: number, flags: number, code: number, question: Uint8Array, answers: readonly Uint8Array[] = []): Uint8Array => {
  const header = new Uint8Array(HEADER);
  put16(header, 0, id);
  put16(header, 2, FLAG.RESPONSE | FLAG.RECURSION_AVAILABLE | (flags & (FLAG.OPCODE | FLAG.RECURSION_DESIRED)) | code);
  put16(header, 4, question.length > 0 ? 1 : 0);
  put16(header, 6, answers.length);
  return joined(header, question, ...answers);
};

/** Undefined for what is no question at all. */
export function parseQuery(data: Uint8Array): Query | undefined {
  const [id, flags] = [u16At(data, 0), u16At(data, 2)];
  if (data.length < HEADER || flags & FLAG.RESPONSE) return undefined;
  const nothing = new Uint8Array(0);
  const refused = (code: number, question = nothing): Query => ({ id, flags, question, name: '', reply: message(id, flags, code, question) });
  if (flags & FLAG.OPCODE) return refused(CODE.NOT_IMPLEMENTED);
  const labels: string[] = [];
  let at = HEADER;
  for (; data[at] !== 0; at += 1 + data[at]!) {
    const length = data[at] ?? 0xff;
    if (length > 63 || at + 1 + length >= data.length || at - HEADER > 255) return refused(CODE.FORMAT);
    labels.push(String.fromCharCode(...data.subarray(at + 1, at + 1 + length)));
  }
  const end = at + 5;
  if (u16At(data, 4) !== 1 || end > data.length || end - HEADER > MOST_QUESTION) return refused(CODE.FORMAT);
  const question = data.slice(HEADER, end);
  const type = u16At(data, at + 1);
  if (u16At(data, at + 3) !== INTERNET || (type !== A && type !== AAAA)) return refused(CODE.NOT_IMPLEMENTED, question);
  // There is no IPv6 here: a name has no such address.
  if (type === AAAA) return refused(CODE.NONE, question);
  if (labels.length === 0 || labels.some((label) => !/^[\w-]+$/.test(label))) return refused(CODE.NAME, question);
  return { id, flags, question, name: labels.join('.') };
}

/** What the host's resolver has found, as a message. */
export function dnsReply({ id, flags, question }: Pick<Query, 'id' | 'flags' | 'question'>, outcome: Outcome, addresses: readonly number[]): Uint8Array {
  const code = { found: CODE.NONE, absent: CODE.NAME, failed: CODE.SERVER }[outcome];
  const answers = addresses.slice(0, MOST_ADDRESSES).map((address) => {
    const record = new Uint8Array(16);
    put16(record, 0, QUESTION_POINTER);
    put16(record, 2, A);
    put16(record, 4, INTERNET);
    put32(record, 6, SECONDS);
    put16(record, 10, 4);
    put32(record, 12, address);
    return record;
  });
  return message(id, flags, code, question, answers);
}
