/** Threads that pack blobs: the guest's own has better things to do. */
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { Worker } from 'node:worker_threads';
import { startThread } from '../thread';
import type { Batch, Packed, Packing } from './blobs';

const BUNDLE = 'snapshot-packer.js';
const MOST = 4;

export interface PackRequest {
  readonly id: number;
  readonly batch: Batch;
}
export interface PackReply {
  readonly id: number;
  readonly packed: Packed;
}

interface Waiting {
  readonly thread: Worker;
  readonly resolve: (packed: Packed) => void;
  readonly reject: (error: Error) => void;
}

export class Packer implements Packing {
  private readonly threads: Worker[];
  private readonly waiting = new Map<number, Waiting>();
  private next = 0;

  constructor() {
    this.threads = Array.from({ length: Math.min(MOST, availableParallelism()) }, () => {
      const thread = startThread(BUNDLE, join(__dirname, 'packthread'));
      thread.on('message', ({ id, packed }: PackReply) => this.settle(id, ({ resolve }) => resolve(packed)));
      thread.on('error', (error) => this.fail(thread, error));
      thread.on('exit', () => this.fail(thread, new Error('a thread that packs has ended')));
      return thread;
    });
  }

  pack(batch: Batch): Promise<Packed> {
    const id = this.next++;
    const thread = this.threads[id % this.threads.length]!;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { thread, resolve, reject });
      const request: PackRequest = { id, batch };
      thread.postMessage(request, [batch.bytes.buffer]);
    });
  }

  async close(): Promise<void> {
    await Promise.all(this.threads.map((thread) => thread.terminate()));
  }

  private settle(id: number, how: (waiting: Waiting) => void): void {
    const found = this.waiting.get(id);
    this.waiting.delete(id);
    if (found) how(found);
  }
  private fail(thread: Worker, error: Error): void {
    for (const [id, waiting] of this.waiting) if (waiting.thread === thread) this.settle(id, ({ reject }) => reject(error));
  }
}
