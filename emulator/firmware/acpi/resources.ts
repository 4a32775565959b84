/** Resource descriptors: ACPI Specification 6.4, 6.4. */
import { buffer, little, type Aml } from './aml';

type Descriptor = readonly number[];

/** A resource template: descriptors and the end tag, whose checksum may be 0. */
export const resources = (...descriptors: readonly Descriptor[]): Aml => buffer([...descriptors.flat(), 0x79, 0x00]);

/** I/O ports at a fixed place, 16-bit decode (6.4.2.5). */
export const ports = (first: number, count: number): Descriptor => [0x47, 0x01, ...little(first, 2), ...little(first, 2), 0x01, count];

/** ISA interrupt: edge-triggered, active high, exclusive (6.4.2.1). */
export const isaIrq = (irq: number): Descriptor => [0x22, ...little(1 << irq, 2)];
/** Any of several interrupts: level-triggered, active low, shared. Offset 1 is the mask. */
export const pciIrq = (...irqs: readonly number[]): Descriptor => [
  0x23,
  ...little(
    irqs.reduce((mask, irq) => mask | (1 << irq), 0),
    2,
  ),
  0x18,
];

/** Memory at a fixed place (6.4.3.4). */
export const memory = (address: number, length: number): Descriptor => [0x86, ...little(9, 2), 0x01, ...little(address, 4), ...little(length, 4)];

// Address space descriptors of a bridge (6.4.3.5): fixed at both ends, positive decode.
const FIXED = 0x0c;
const space =
  (tag: number, size: 2 | 4 | 8) =>
  (type: number, typeFlags: number, first: number, last: number): Descriptor => [
    tag,
    ...little(3 + 5 * size, 2),
    type,
    FIXED,
    typeFlags,
    ...little(0, size), // granularity
    ...little(first, size),
    ...little(last, size),
    ...little(0, size), // translation
    ...little(last - first + 1, size),
  ];
const word = space(0x88, 2);
const dword = space(0x87, 4);
const qword = space(0x8a, 8);

export const busWindow = (first: number, last: number): Descriptor => word(2, 0x00, first, last);
/** Ports in the entire range (not only ISA's or PCI's share). */
export const portWindow = (first: number, last: number): Descriptor => word(1, 0x03, first, last);
/** Read-write memory, not cacheable. */
export const memoryWindow = (first: number, last: number): Descriptor => (last < 2 ** 32 ? dword(0, 0x01, first, last) : qword(0, 0x01, first, last));
