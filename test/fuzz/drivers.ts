/** How drivers begin with a chip, and what they ask of it: mostly right, with some of it left to chance. */
import type { AccessSize } from '../../emulator/bus/device';
import { arpOf, BROADCAST, frameOf, TYPE } from '../../emulator/network/ethernet';
import { datagramOf, packetOf } from '../../emulator/network/ip';
import { segmentOf } from '../../emulator/network/segment';
import type { Random } from './mutate';

export interface Registers {
  read(offset: number, size: AccessSize): number;
  write(offset: number, size: AccessSize, value: number): void;
  /** Free RAM, aligned to its length. */
  place(length: number): number;
  store(address: number, bytes: Uint8Array): void;
  /** The value, or now and then something else. */
  mostly(value: number): number;
  /** Time passes. */
  wait(): void;
  readonly random: Random;
}

export interface Driver {
  /** Owner of the window. */
  readonly owner: RegExp;
  drive(registers: Registers): void;
}

/** Little-endian doublewords. */
const words = (...values: number[]): Uint8Array => {
  const bytes = new Uint8Array(values.length * 4);
  const view = new DataView(bytes.buffer);
  values.forEach((value, index) => view.setUint32(index * 4, value >>> 0, true));
  return bytes;
};
const joined = (...pieces: Uint8Array[]): Uint8Array => Uint8Array.from(Buffer.concat(pieces));
const pick = <T>(random: Random, list: readonly T[]): T => list[random(list.length)]!;
const times = <T>(count: number, make: (index: number) => T): T[] => Array.from({ length: count }, (_, index) => make(index));

/** VIRTIO 1.2, 3.1.1, 4.1.4.3 and 2.7; requests are those of a block device (5.2.6). */
const virtio: Driver = {
  owner: /^(virtio-|console|rnd|entropy).* BAR0$/,
  drive({ write, place, store, mostly, random }) {
    for (const status of [0, 1, 3]) write(0x14, 1, status);
    write(0x08, 4, 1);
    write(0x0c, 4, 1);
    write(0x08, 4, 0);
    write(0x0c, 4, random(2) === 0 ? 0 : 0x30000000);
    write(0x14, 1, 0x0b);
    for (let queue = 0; queue < 4; queue++) {
      const [descriptors, available, used] = [place(0x100), place(0x100), place(0x100)];
      const header = place(16);
      store(header, words(mostly(pick(random, [0, 1, 4, 8, 11, 13])), 0, mostly(random(2048)), 0));
      store(
        descriptors,
        joined(
          words(header, 0, mostly(16), 1 | (mostly(1) << 16)),
          words(place(4096), 0, mostly(512 << random(4)), pick(random, [1, 3, 3, 3]) | (mostly(2) << 16)),
          words(place(16), 0, mostly(1), mostly(2)),
          ...times(5, () => words(place(64), 0, mostly(64), mostly(pick(random, [0, 2, 3, 4])) | (random(8) << 16))),
        ),
      );
      store(available, words(mostly(1 + random(4)) << 16, mostly(0) | (3 << 16), 0 | (4 << 16)));
      write(0x16, 2, queue);
      write(0x18, 2, mostly(8));
      write(0x1a, 2, random(3));
      for (const [register, ring] of [[0x20, descriptors], [0x28, available], [0x30, used]] as const) {
        write(register, 4, mostly(ring));
        write(register + 4, 4, 0);
      } // prettier-ignore
      write(0x1c, 2, 1);
    }
    write(0x14, 1, 0x0f);
    for (let queue = 0; queue < 4; queue++) write(0x3000 + 4 * queue, 2, queue);
  },
};

/** Frames of a guest on the user-mode network: ARP, ICMP, DHCP, DNS, UDP, and connections of TCP with whatever flags; checksums are right. */
function frame(random: Random): Uint8Array {
  const [gateway, elsewhere, nameserver] = [0x0a000202, 0xc0000207, 0x0a000203];
  const guest = 0x0a00020f;
  const to = pick(random, [gateway, gateway, elsewhere, nameserver]);
  const data = Uint8Array.from({ length: random(pick(random, [20, 200, 1400])) }, () => random(256));
  const ports = { sourcePort: 40000 + random(4), destinationPort: pick(random, [53, 67, 80, 80]) };
  const flags = pick(random, [0x02, 0x10, 0x10, 0x18, 0x11, 0x04]);
  const numbers = { sequence: random(3) === 0 ? random(0x10000) : 1 + random(2000), acknowledgment: random(0x10000), window: random(0x10000) };
  switch (random(5)) {
    case 0:
      return frameOf(BROADCAST, STATION, TYPE.ARP, arpOf({ request: random(2) === 0, sender: { mac: STATION, address: guest + random(20) }, target: to }));
    case 1:
      return frameOf(GATEWAY_STATION, STATION, TYPE.IPV4, packetOf({ source: guest, destination: to, protocol: pick(random, [1, 6, 17, 47]), payload: data }));
    case 2:
      return frameOf(GATEWAY_STATION, STATION, TYPE.IPV4, packetOf(datagramOf(guest, to, { ...ports, data })));
    default:
      return frameOf(
        GATEWAY_STATION,
        STATION,
        TYPE.IPV4,
        packetOf(segmentOf(guest, to, ports, { ...numbers, flags, data: flags & 0x08 ? data : new Uint8Array(0) })),
      );
  }
}
const STATION = Uint8Array.of(0x52, 0x54, 0x00, 0x12, 0x34, 0x56);
const GATEWAY_STATION = Uint8Array.of(0x52, 0x55, 0x0a, 0x00, 0x02, 0x02);

/** VIRTIO 1.2, 5.1: buffers to receive into, frames to send. */
const virtioNet: Driver = {
  owner: /^virtio-net BAR0$/,
  drive({ write, place, store, mostly, wait, random }) {
    for (const status of [0, 1, 3]) write(0x14, 1, status);
    write(0x08, 4, 1);
    write(0x0c, 4, 1);
    write(0x08, 4, 0);
    write(0x0c, 4, pick(random, [0x18020, 0x18020 | 0x30000000, 0x10020]));
    write(0x14, 1, 0x0b);
    for (const queue of [0, 1]) {
      const [descriptors, available, used] = [place(0x100), place(0x100), place(0x100)];
      const buffers = times(8, () => {
        const at = place(2048);
        const whole = queue === 1 ? joined(new Uint8Array(12), frame(random)) : undefined;
        if (whole) store(at, whole);
        return words(at, 0, mostly(whole?.length ?? pick(random, [100, 1600, 2048])), mostly(queue === 1 ? 0 : 2));
      });
      store(descriptors, joined(...buffers));
      store(available, words(mostly(8) << 16, 0 | (1 << 16), 2 | (3 << 16), 4 | (5 << 16), 6 | (7 << 16)));
      write(0x16, 2, queue);
      write(0x18, 2, 8);
      for (const [register, ring] of [[0x20, descriptors], [0x28, available], [0x30, used]] as const) {
        write(register, 4, mostly(ring));
        write(register + 4, 4, 0);
      } // prettier-ignore
      write(0x1c, 2, 1);
    }
    write(0x14, 1, 0x0f);
    write(0x3004, 2, 1);
    wait();
  },
};

/** 82540EM: rings of both kinds, descriptors of all three (manual, 3.2.3 and 3.3). */
const e1000: Driver = {
  owner: /^e1000 BAR0$/,
  drive({ write, place, store, mostly, wait, random }) {
    const [receive, transmit] = [place(0x100), place(0x100)];
    store(receive, joined(...times(16, () => words(mostly(place(2048)), 0, 0, 0))));
    const descriptors = times(16, () => {
      const bytes = frame(random);
      const at = place(2048);
      store(at, bytes);
      const command = mostly(pick(random, [0x09, 0x0b, 0x01, 0x00, 0x0d])) & 0xff;
      switch (random(4)) {
        case 0: // context
          return words(14 | (24 << 8) | (33 << 16), 34 | (50 << 8), mostly(bytes.length) | ((0x20 | random(16)) << 24), mostly(54 << 8) | (random(1500) << 16));
        case 1: // data
          return words(at, 0, mostly(bytes.length) | (1 << 20) | ((0x20 | command) << 24), random(4) << 8);
        default:
          return words(mostly(at), 0, mostly(bytes.length) | (command << 24), 0);
      }
    });
    store(transmit, joined(...descriptors));
    if (random(2) === 0) write(0x00, 4, 0x04000000);
    for (const [register, value] of [[0x2800, receive], [0x2804, 0], [0x2808, 0x100], [0x2810, 0], [0x2818, 15], [0x100, mostly(0x8002 | (random(4) << 16))],
      [0x3800, transmit], [0x3804, 0], [0x3808, 0x100], [0x3810, 0], [0x00c4, random(0x400)], [0x00d0, 0x1fffff], [0x400, 0x0a], [0x3818, mostly(15)]] as const) write(register, 4, value); // prettier-ignore
    wait();
  },
};

const ATA = [0x20, 0x24, 0x25, 0x30, 0x34, 0x35, 0xc8, 0xca, 0x60, 0x61, 0x40, 0x42, 0x06, 0xb0, 0xe0, 0xe7, 0xea, 0xec, 0xef, 0xa0, 0xa0, 0xa1, 0x08, 0x90];
const PACKETS = [0x00, 0x03, 0x12, 0x1a, 0x1b, 0x1e, 0x25, 0x28, 0xa8, 0xbe, 0x43, 0x46, 0x4a, 0x51, 0x52, 0x5a, 0x2b];

/** AHCI 1.3.1, 10.1.2 and 4.2; commands of ATA8-ACS and MMC-5. */
const ahci: Driver = {
  owner: /^ahci BAR5$/,
  drive({ write, place, store, mostly, random }) {
    write(0x04, 4, 0x80000002);
    for (let port = 0; port < 2; port++) {
      const [list, table, received] = [place(0x400), place(0x100), place(0x100)];
      const slot = random(4);
      const command = pick(random, ATA);
      const prds = 1 + random(3);
      const atapi = command === 0xa0 ? 0x20 : 0;
      const direction = random(2) << 6;
      store(list + 0x20 * slot, words(mostly(5 | atapi | direction | (prds << 16)), 0, mostly(table), 0));
      const lba = mostly(random(2040));
      const count = mostly(1 + random(8));
      const features = pick(random, [0, 1, 2, 3, 0xd0, 0xd8, 0xda, count]);
      store(
        table,
        Uint8Array.of(0x27, 0x80, command, features, lba & 0xff, (lba >> 8) & 0xff, (lba >> 16) & 0xff, 0x40, 0, 0, 0, 0, command >= 0x60 && command <= 0x61 ? slot << 3 : count, 0, 0, 0),
      ); // prettier-ignore
      store(
        table + 0x40,
        Uint8Array.of(pick(random, PACKETS), random(4), pick(random, [0, 0x2a, 0x80, 0x83]), 0, 0, random(64), 0, 0, random(8), random(256), 0, 0),
      );
      store(table + 0x80, joined(...times(prds, () => words(mostly(place(4096)), 0, 0, mostly(pick(random, [511, 2047, 4095, 1]))))));
      const at = 0x100 + 0x80 * port;
      write(at + 0x18, 4, 0);
      for (const [register, value] of [[0x00, list], [0x04, 0], [0x08, received], [0x0c, 0], [0x30, 0xffffffff], [0x14, 0xffffffff], [0x18, 0x17]] as const) {
        write(at + register, 4, value);
      } // prettier-ignore
      write(at + 0x38, 4, mostly(1 << slot));
    }
  },
};

/** NVM Express 1.4, 7.6.1: a pair of queues, and commands to both. */
const nvme: Driver = {
  owner: /^nvme-.* BAR0$/,
  drive({ write, place, store, mostly, wait, random }) {
    const [admin, adminDone, queue, done] = [place(4096), place(4096), place(4096), place(4096)];
    const entry = (opcode: number, namespace: number, prp: number, ...rest: number[]): Uint8Array => {
      const command = words(mostly(opcode) | (random(0x10000) << 16), namespace, 0, 0, 0, 0, prp, 0, mostly(place(4096)), 0, ...rest);
      return joined(command, new Uint8Array(64 - command.length));
    };
    write(0x14, 4, 0);
    write(0x24, 4, mostly(0x000f000f));
    for (const [register, value] of [[0x28, admin], [0x2c, 0], [0x30, adminDone], [0x34, 0], [0x14, mostly(0x00460001)]] as const) write(register, 4, value); // prettier-ignore
    const some = times(4, () =>
      entry(pick(random, [0x00, 0x02, 0x04, 0x06, 0x06, 0x08, 0x09, 0x0a, 0x0c]), random(3), mostly(place(4096)), mostly(random(8)), random(16)),
    );
    store(admin, joined(entry(5, 0, mostly(done), mostly(0x00070001), mostly(3)), entry(1, 0, mostly(queue), mostly(0x00070001), mostly(0x00010001)), ...some));
    const io = times(7, () => entry(pick(random, [0, 1, 1, 2, 2, 8, 9]), 1, mostly(place(512)), mostly(random(2040)), 0, mostly(random(9))));
    store(queue, joined(...io));
    write(0x1000, 4, mostly(2 + random(4)));
    wait();
    write(0x1008, 4, mostly(random(8)));
    write(0x1004, 4, random(6));
    write(0x100c, 4, random(8));
  },
};

const HID = [
  [0x80, 6, 0x0100, 0, 18], [0x80, 6, 0x0200, 0, 64], [0x80, 6, 0x0301, 0x409, 64], [0x81, 6, 0x2200, 0, 255], [0x00, 9, 1, 0, 0], [0x00, 5, 1, 0, 0],
  [0x21, 10, 0, 0, 0], [0x21, 9, 0x0200, 0, 1], [0xa1, 1, 0x0100, 0, 8], [0x21, 11, 0, 0, 0], [0x80, 0, 0, 0, 2], [0x02, 1, 0, 0x81, 0], [0x02, 3, 0, 0x81, 0],
] as const; // prettier-ignore

/** xHCI 1.2, 4.2 and 4.3: a device is addressed and configured, its descriptors read, and reports asked for. */
const xhci: Driver = {
  owner: /^xhci BAR0$/,
  drive({ read, write, place, store, mostly, wait, random }) {
    const operational = read(0x00, 1);
    const doorbells = read(0x14, 4);
    const runtime = read(0x18, 4);
    const ports = read(0x04, 4) >>> 24;
    const [array, commands, events, segments, control, reports] = [place(64), place(256), place(256), place(64), place(256), place(256)];
    const [input, output] = [place(2048), place(2048)];
    const trb = (address: number, status: number, type: number, flags = 0): Uint8Array => words(mostly(address), 0, mostly(status), (type << 10) | flags | 1);
    const port = pick(random, [5, 6, 1 + random(ports)]);
    const slot = words((pick(random, [2, 2, 2, 3, 1]) << 20) | (3 << 27), mostly(port) << 16, 0, 0, 0, 0, 0, 0);
    const endpoint = (type: number, size: number, ring: number): Uint8Array =>
      words(mostly(3) << 16, (3 << 1) | (type << 3) | (size << 16), ring | 1, 0, 8, 0, 0, 0);
    store(input, joined(words(0, mostly(3), 0, 0, 0, 0, 0, 0), slot, endpoint(4, mostly(8), control), new Uint8Array(32), endpoint(7, mostly(8), reports)));
    // Of another input context every second one adds the endpoint of reports.
    const configure = place(2048);
    store(configure, joined(words(0, mostly(9), 0, 0, 0, 0, 0, 0), slot, new Uint8Array(64), endpoint(7, mostly(8), reports)));
    const [type, request, value, index, length] = pick(random, HID);
    const data = length > 0;
    const direction = type & 0x80 ? 1 << 16 : 0;
    store(
      control,
      joined(
        joined(
          words(type | (request << 8) | (value << 16), index | (length << 16), mostly(8), (2 << 10) | (1 << 6) | 1 | ((data ? (direction ? 3 : 2) : 0) << 16)),
        ),
        ...(data ? [trb(place(256), length, 3, direction)] : []),
        trb(0, 0, 4, (data && direction ? 0 : 1 << 16) | (1 << 5)),
        words(0, 0, 0, 0),
      ),
    );
    store(reports, joined(...times(4, () => trb(place(64), mostly(8), mostly(1), 1 << 5)), words(0, 0, 0, 0)));
    const more = times(3, () =>
      trb(
        pick(random, [input, configure, control | 1]),
        0,
        pick(random, [9, 10, 13, 14, 15, 16, 17, 18, 21, 22, 23]),
        (1 << 24) | (mostly(1 + random(3)) << 16),
      ),
    );
    store(commands, joined(trb(0, 0, 9), trb(input, 0, 11, 1 << 24), trb(configure, 0, 12, 1 << 24), ...(random(2) === 0 ? more : []), words(0, 0, 0, 0)));
    store(output, new Uint8Array(2048));
    store(array, words(0, 0, output, 0, output, 0, output, 0));
    store(segments, words(mostly(events), 0, mostly(16), 0));
    write(operational, 4, 2);
    write(operational + 0x38, 4, 4);
    for (const [register, value64] of [[0x30, array], [0x18, commands | 1]] as const) {
      write(operational + register, 4, value64);
      write(operational + register + 4, 4, 0);
    } // prettier-ignore
    write(runtime + 0x28, 4, 1);
    for (const [register, value64] of [[0x38, events], [0x30, segments]] as const) {
      write(runtime + register, 4, value64);
      write(runtime + register + 4, 4, 0);
    } // prettier-ignore
    write(runtime + 0x20, 4, 3);
    write(operational, 4, 5);
    for (let number = 0; number < ports; number++) write(operational + 0x400 + 0x10 * number, 4, mostly(0x210));
    wait();
    write(doorbells, 4, 0);
    wait();
    write(doorbells + 4, 4, mostly(1));
    wait();
    write(doorbells + 4, 4, mostly(3));
    wait();
  },
};

/** QEMU's fw_cfg: DMA by an address in big-endian order, whose low half starts it. */
const fwCfg: Driver = {
  owner: /^fw_?cfg$/,
  drive({ write, place, store, mostly, random }) {
    const access = place(16);
    const buffer = place(4096);
    const big = (value: number): number => (((value & 0xff) << 24) | ((value & 0xff00) << 8) | ((value >> 8) & 0xff00) | (value >>> 24)) >>> 0;
    store(access, words(big((mostly(random(0x30)) << 16) | 8 | pick(random, [2, 4, 16])), big(mostly(random(4096))), 0, big(mostly(buffer))));
    write(4, 4, 0);
    write(8, 4, big(mostly(access)));
  },
};

/** 82093AA: all pins to one vector; HPET, 2.3: running, all its timers armed. */
const ioApic: Driver = {
  owner: /^ioapic$/,
  drive({ write, random }) {
    for (let pin = 0; pin < 24; pin++) {
      write(0, 4, 0x10 + 2 * pin);
      write(0x10, 4, (random(2) << 15) | 0x20 | random(0xd0));
    }
  },
};
const hpet: Driver = {
  owner: /^hpet$/,
  drive({ write, random }) {
    for (let timer = 0; timer < 3; timer++) {
      write(0x100 + 0x20 * timer, 4, random(0x10000));
      write(0x108 + 0x20 * timer, 4, random(0x10000));
    }
    write(0x10, 4, 1 + random(3));
  },
};
/** SDM 3A, 11.4.3 and 11.5: on, with its timer in each mode, and messages to itself. */
const lapic: Driver = {
  owner: /^lapic$/,
  drive({ write, mostly, random }) {
    write(0xf0, 4, mostly(0x1ff));
    write(0x3e0, 4, random(16));
    write(0x320, 4, mostly(0x20 + random(0xd0)) | (random(3) << 17));
    write(0x380, 4, random(0x10000));
    write(0x300, 4, mostly((random(4) << 18) | 0x4000 | (pick(random, [0, 0, 1, 4]) << 8) | (0x20 + random(0xd0))));
  },
};

export const DRIVERS: readonly Driver[] = [virtioNet, virtio, ahci, nvme, e1000, xhci, fwCfg, ioApic, hpet, lapic];
