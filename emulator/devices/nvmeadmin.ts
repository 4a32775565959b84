/** Admin commands: NVM Express 1.4, 5. */
import type { BlockDevice } from '../bus/block';
import { ALL_NAMESPACES, identifyController, identifyNamespace, NAMESPACE, send, STATUS, type Command, type Result } from './nvmecommand';
import { PAGE, type NvmeDma } from './nvmedma';
import { COMPLETION, MOST_ENTRIES, MOST_EVENTS, QUEUES, SUBMISSION, VECTORS, type NvmeState } from './nvmeregisters';

const OK: Result = { status: STATUS.SUCCESS };
const failed = (status: number): Result => ({ status });
/** Physically contiguous, and Interrupts Enabled (5.3, 5.4). */
const QUEUE = { PC: 1, IEN: 2 } as const;
const MOST_LOG = 64 << 10;
/** Fields of the state behind features of one doubleword. */
const FEATURES = {
  0x01: 'arbitration',
  0x02: 'power',
  0x04: 'temperature',
  0x05: 'recovery',
  0x08: 'coalescing',
  0x0a: 'atomicity',
  0x0b: 'eventConfiguration',
} as const satisfies Readonly<Record<number, keyof NvmeState>>;

/** Undefined where the command waits: an Asynchronous Event Request. */
export function executeAdmin(command: Command, state: NvmeState, disk: BlockDevice, dma: NvmeDma): Result | undefined {
  const { opcode, words, id } = command;
  switch (opcode) {
    case 0x00: // Delete I/O Submission Queue
    case 0x04: // Delete I/O Completion Queue
      return deleteQueue(words[0]! & 0xffff, opcode === 0x04, state);
    case 0x01:
    case 0x05:
      return createQueue(command, opcode === 0x05, state, dma);
    case 0x02:
      return logPage(command, dma);
    case 0x06:
      return identify(command, disk, dma);
    case 0x08: // Abort: what there is has been executed
      return { ...OK, value: 1 };
    case 0x09:
      return setFeatures(command, state);
    case 0x0a:
      return getFeatures(command, state);
    case 0x0c: // Asynchronous Event Request
      if (state.events.length + 2 > 2 * MOST_EVENTS) return failed(STATUS.EVENT_LIMIT);
      state.events.push(id & 0xff, id >> 8);
      return undefined;
    default:
      return failed(STATUS.OPCODE);
  }
}

function createQueue({ words, prp1 }: Command, completion: boolean, state: NvmeState, dma: NvmeDma): Result {
  const [id, size] = [words[0]! & 0xffff, (words[0]! >>> 16) + 1];
  const [flags, other] = [words[1]! & 0xffff, words[1]! >>> 16];
  const queue = completion ? state.completions[id] : state.submissions[id];
  if (id === 0 || !queue || queue.size > 0) return failed(STATUS.QUEUE_ID);
  if (size < 2 || size > MOST_ENTRIES) return failed(STATUS.QUEUE_SIZE);
  const aligned = prp1 % BigInt(PAGE) === 0n && dma.valid(prp1, size * (completion ? COMPLETION : SUBMISSION));
  if (!(flags & QUEUE.PC) || !aligned) return failed(STATUS.FIELD);
  if (completion) {
    if (other >= VECTORS) return failed(STATUS.VECTOR);
    state.completions[id] = { base: prp1, size, interrupts: (flags & QUEUE.IEN) !== 0, vector: other, head: 0, tail: 0, phase: true };
  } else {
    if (other === 0 || !state.completions[other]?.size) return failed(STATUS.COMPLETION_QUEUE);
    state.submissions[id] = { base: prp1, size, completion: other, head: 0, tail: 0 };
  }
  return OK;
}

function deleteQueue(id: number, completion: boolean, state: NvmeState): Result {
  const queue = completion ? state.completions[id] : state.submissions[id];
  if (id === 0 || !queue?.size) return failed(STATUS.QUEUE_ID);
  if (completion && state.submissions.some((each) => each.size > 0 && each.completion === id)) return failed(STATUS.QUEUE_DELETION);
  queue.size = 0;
  return OK;
}

/** Identify (5.15). */
function identify(command: Command, disk: BlockDevice, dma: NvmeDma): Result {
  const { namespace, words } = command;
  const page = new Uint8Array(PAGE);
  switch (words[0]! & 0xff) {
    case 0x00:
      if (namespace === NAMESPACE || namespace === ALL_NAMESPACES) return send(dma, command, identifyNamespace(disk));
      return failed(STATUS.NAMESPACE);
    case 0x01:
      return send(dma, command, identifyController(disk.identity, MOST_EVENTS));
    case 0x02: // active namespaces above the one that is named
      if (namespace >= 0xfffffffe) return failed(STATUS.NAMESPACE);
      if (namespace < NAMESPACE) page[0] = NAMESPACE;
      return send(dma, command, page);
    case 0x03: {
      // Identification descriptors: a UUID of the serial number
      if (namespace !== NAMESPACE) return failed(STATUS.NAMESPACE);
      page.set([3, 16]);
      page.set(new TextEncoder().encode(disk.identity.serial.padEnd(16)).subarray(0, 16), 4);
      return send(dma, command, page);
    }
    default:
      return failed(STATUS.FIELD);
  }
}

/** Get Log Page (5.14): errors, of which there are none, health, and firmware. */
function logPage(command: Command, dma: NvmeDma): Result {
  const { words } = command;
  const length = (((words[0]! >>> 16) | ((words[1]! & 0xffff) << 16)) >>> 0) * 4 + 4;
  const offset = words[2]! + words[3]! * 2 ** 32;
  const log = new Uint8Array(PAGE);
  switch (words[0]! & 0xff) {
    case 0x01:
      break;
    case 0x02:
      log.set([0, 0x2c, 0x01, 100, 10]); // 300 K, all of the spare is there
      break;
    case 0x03:
      log[0] = 1;
      break;
    default:
      return failed(STATUS.LOG_PAGE);
  }
  if (length > MOST_LOG || offset % 4 !== 0 || offset >= PAGE) return failed(STATUS.FIELD);
  const bytes = new Uint8Array(length);
  bytes.set(log.subarray(offset, offset + length));
  return send(dma, command, bytes);
}

function setFeatures({ words }: Command, state: NvmeState): Result {
  const [word, value] = [words[0]!, words[1]!];
  if (word >= 0x80000000) return failed(STATUS.SAVEABLE);
  const feature = word & 0xff;
  const field = FEATURES[feature as keyof typeof FEATURES] as (typeof FEATURES)[keyof typeof FEATURES] | undefined;
  if (field) {
    if (feature === 0x02 && value !== 0) return failed(STATUS.FIELD); // one power state
    state[field] = value;
    return OK;
  }
  switch (feature) {
    case 0x06:
      state.writeCache = (value & 1) !== 0;
      return OK;
    case 0x07:
      return (value & 0xffff) === 0xffff || value >>> 16 === 0xffff ? failed(STATUS.FIELD) : { ...OK, value: queueCounts() };
    case 0x09: // interrupt vector configuration
      return (value & 0xffff) < VECTORS ? OK : failed(STATUS.FIELD);
    default:
      return failed(STATUS.FIELD);
  }
}

function getFeatures({ words }: Command, state: NvmeState): Result {
  const feature = words[0]! & 0xff;
  const field = FEATURES[feature as keyof typeof FEATURES] as (typeof FEATURES)[keyof typeof FEATURES] | undefined;
  if (field) return { ...OK, value: state[field] };
  switch (feature) {
    case 0x06:
      return { ...OK, value: state.writeCache ? 1 : 0 };
    case 0x07:
      return { ...OK, value: queueCounts() };
    case 0x09:
      return (words[1]! & 0xffff) < VECTORS ? { ...OK, value: words[1]! & 0xffff } : failed(STATUS.FIELD);
    default:
      return failed(STATUS.FIELD);
  }
}

/** Submission and completion queues for I/O, each from 0. */
const queueCounts = (): number => (QUEUES - 2) | ((QUEUES - 2) << 16);
