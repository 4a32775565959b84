/** How the xHCI controller reaches memory: only RAM, and what the guest wrote there is read once. */
import type { PhysicalMemory } from '../bus/device';
import { USBSTS } from './xhciregisters';

/** The controller can't go on: Host System Error where memory failed, Host Controller Error where a structure made no sense (xHCI 1.1, 4.10.2). */
export class HostFault extends Error {
  constructor(
    readonly status: typeof USBSTS.HSE | typeof USBSTS.HCE,
    what: string,
  ) {
    super(what);
    this.name = 'HostFault';
  }
}

const MOST = 2n ** 52n;

export class XhciDma {
  constructor(
    private readonly memory: PhysicalMemory,
    private readonly reachable: (address: number, length: number) => boolean,
  ) {}

  read(address: bigint | number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    if (length > 0) this.memory.read(this.checked(address, length), bytes);
    return bytes;
  }

  write(address: bigint | number, bytes: Uint8Array): void {
    if (bytes.length > 0) this.memory.write(this.checked(address, bytes.length), bytes);
  }

  /** Doublewords at an address. */
  words(address: bigint | number, count: number): number[] {
    const view = new DataView(this.read(address, 4 * count).buffer);
    return Array.from({ length: count }, (_, i) => view.getUint32(4 * i, true));
  }
  setWord(address: bigint | number, value: number): void {
    this.write(address, Uint8Array.of(value, value >>> 8, value >>> 16, value >>> 24));
  }
  quad(address: bigint | number): bigint {
    return new DataView(this.read(address, 8).buffer).getBigUint64(0, true);
  }

  private checked(address: bigint | number, length: number): number {
    const at = Number(address);
    if (BigInt(address) >= MOST || !this.reachable(at, length)) throw new HostFault(USBSTS.HSE, `no memory at 0x${at.toString(16)}`);
    return at;
  }
}
