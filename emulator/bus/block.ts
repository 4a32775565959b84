/**
 * Disks as the chips before them see them. A chip calls these at the virtual time at which a request completes; each call
 * answers at once, whatever the host does for it, and throws nothing. What the guest writes belongs to the machine's history.
 */

/** Why a request failed; the chip tells the guest in its protocol's words. */
export type BlockFailure =
  /** Some sector does not exist: LBA out of range. */
  | 'range'
  /** The medium is write-protected. */
  | 'read-only'
  /** The image could not be read: an unrecovered medium error. */
  | 'medium'
  /** There is no room for what was written. */
  | 'full'
  /** The length of the buffer is no whole number of sectors: the chip's fault or its guest's. */
  | 'length';

/** `undefined` is success. Where a request fails, nothing was written, and what was read is not defined. */
export type BlockResult = BlockFailure | undefined;

export interface DiskIdentity {
  /** Up to 20 ASCII characters: ATA and NVMe serial numbers, the string that VIRTIO_BLK_T_GET_ID returns. */
  readonly serial: string;
  /** Up to 40 ASCII characters. */
  readonly model: string;
  /** Up to 8 ASCII characters: firmware revision. */
  readonly revision: string;
}

export interface BlockDevice {
  /** Name of the disk in the configuration, unique in the machine: `disk0`, `cdrom0`. */
  readonly name: string;
  readonly identity: DiskIdentity;
  readonly readOnly: boolean;
  /** Bytes of a sector: 512, and 2048 where it is an optical disc. */
  readonly sectorSize: number;
  /** Sectors are numbered from 0; below 2^53. */
  readonly sectors: number;

  /** Reads as many sectors as `into` holds. */
  read(lba: number, into: Uint8Array): BlockResult;
  /** Writes as many sectors as `from` holds; the bytes are copied. */
  write(lba: number, from: Uint8Array): BlockResult;
  /** Sectors become zeros: WRITE ZEROES. Takes memory and time for each page, so chips bound what one request may ask for. */
  zero(lba: number, count: number): BlockResult;
  /** Nobody needs the contents: DISCARD, TRIM, deallocate. What is read afterwards is zeros or what was there before. Cheap however many. */
  discard(lba: number, count: number): BlockResult;
  /** Everything written so far is to last. */
  flush(): BlockResult;
}
