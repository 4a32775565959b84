import assert from 'node:assert/strict';
import type { BlockDevice, BlockFailure } from '../../../../emulator/bus/block';

/** A disk in memory that remembers what was asked of it, and fails where the test wants it to. */
export class MemoryDisk implements BlockDevice {
  readonly name = 'disk0';
  readonly identity = { serial: 'SERIAL-NUMBER-OF-20C', model: 'Some model', revision: '1.0' };
  readonly readOnly: boolean;
  readonly sectorSize: number;
  readonly sectors: number;
  readonly bytes: Uint8Array;
  readonly calls: string[] = [];
  failure: BlockFailure | undefined;

  constructor({ sectors = 64, sectorSize = 512, readOnly = false } = {}) {
    [this.sectors, this.sectorSize, this.readOnly] = [sectors, sectorSize, readOnly];
    this.bytes = new Uint8Array(sectors * sectorSize);
  }

  private at(lba: number, length: number): number {
    const start = lba * this.sectorSize;
    assert.ok(Number.isInteger(lba) && lba >= 0 && length % this.sectorSize === 0 && start + length <= this.bytes.length, `${length} bytes at ${lba}`);
    return start;
  }
  read(lba: number, into: Uint8Array): BlockFailure | undefined {
    const at = this.at(lba, into.length);
    into.set(this.bytes.subarray(at, at + into.length));
    return this.failure;
  }
  write(lba: number, from: Uint8Array): BlockFailure | undefined {
    const at = this.at(lba, from.length);
    if (this.readOnly) return 'read-only';
    if (this.failure === undefined) this.bytes.set(from, at);
    return this.failure;
  }
  zero(lba: number, count: number): BlockFailure | undefined {
    this.at(lba, count * this.sectorSize);
    this.calls.push(`zero ${lba} ${count}`);
    return this.failure;
  }
  discard(lba: number, count: number): BlockFailure | undefined {
    this.at(lba, count * this.sectorSize);
    this.calls.push(`discard ${lba} ${count}`);
    return this.failure;
  }
  flush(): BlockFailure | undefined {
    this.calls.push('flush');
    return this.failure;
  }
}
