/** A small ISO 9660 image (ECMA-119) with files in its root, and an El Torito boot image without emulation if there is one. */

const SECTOR = 2048;
const DESCRIPTORS = 16;
const upper = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};
/** Numbers in both byte orders (7.2.3, 7.3.3). */
const both16 = (value: number): Buffer => Buffer.from([value, value >> 8, value >> 8, value]);
const both32 = (value: number): Buffer => Buffer.concat([upper(value).reverse(), upper(value)]);
const sectorsOf = (length: number): number => Math.max(1, Math.ceil(length / SECTOR));

/** Directory record (9.1). */
function record(identifier: Buffer, sector: number, length: number, folder: boolean): Buffer {
  const size = 33 + identifier.length + ((identifier.length + 1) % 2);
  const bytes = Buffer.alloc(size);
  bytes[0] = size;
  both32(sector).copy(bytes, 2);
  both32(length).copy(bytes, 10);
  bytes.set([124, 1, 1, 0, 0, 0, 0, folder ? 2 : 0], 18);
  both16(1).copy(bytes, 28);
  bytes[32] = identifier.length;
  identifier.copy(bytes, 33);
  return bytes;
}

/** Names are like `FILE.TXT`; the boot image is loaded at 0x7C00, as many sectors of 512 bytes as it has, or by UEFI as a FAT image. */
export function isoImage(files: Readonly<Record<string, Uint8Array>>, boot?: { readonly image: Uint8Array; readonly platform?: 'bios' | 'efi' }): Buffer {
  const [pathTable, root, catalog] = [19, 21, 22];
  let next = 23;
  const placed = [...Object.entries(files), ...(boot ? [['', boot.image] as const] : [])].map(([name, bytes]) => {
    const at = next;
    next += sectorsOf(bytes.length);
    return { name, bytes, at };
  });
  const image = Buffer.alloc(next * SECTOR);
  const put = (sector: number, offset: number, bytes: Uint8Array | string): void =>
    image.set(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes, sector * SECTOR + offset);
  const rootRecord = (identifier: number): Buffer => record(Buffer.from([identifier]), root, SECTOR, true);

  put(DESCRIPTORS, 0, '\x01CD001\x01');
  put(DESCRIPTORS, 8, ' '.repeat(64));
  put(DESCRIPTORS, 40, 'GUEST');
  put(DESCRIPTORS, 80, both32(next));
  for (const offset of [120, 124]) put(DESCRIPTORS, offset, both16(1));
  put(DESCRIPTORS, 128, both16(SECTOR));
  put(DESCRIPTORS, 132, both32(10));
  put(DESCRIPTORS, 140, upper(pathTable).reverse());
  put(DESCRIPTORS, 148, upper(pathTable + 1));
  put(DESCRIPTORS, 156, rootRecord(0));
  put(DESCRIPTORS, 190, ' '.repeat(623));
  for (const offset of [813, 830, 847, 864]) put(DESCRIPTORS, offset, `${'0'.repeat(16)}\0`);
  put(DESCRIPTORS, 881, '\x01');
  if (boot) {
    put(DESCRIPTORS + 1, 0, '\x00CD001\x01EL TORITO SPECIFICATION');
    put(DESCRIPTORS + 1, 0x47, upper(catalog).reverse());
    const platform = boot.platform === 'efi' ? 0xef : 0;
    const validation = Buffer.alloc(32);
    validation.set([1, platform]);
    validation.set([0x55, 0xaa], 30);
    let sum = 0;
    for (let i = 0; i < 32; i += 2) sum += validation.readUInt16LE(i);
    validation.writeUInt16LE(-sum & 0xffff, 28);
    put(catalog, 0, validation);
    const entry = Buffer.alloc(32);
    entry[0] = 0x88;
    entry.writeUInt16LE(Math.min(0xffff, Math.ceil(boot.image.length / 512)), 6);
    entry.writeUInt32LE(placed.at(-1)!.at, 8);
    put(catalog, 32, entry);
  }
  put(DESCRIPTORS + (boot ? 2 : 1), 0, '\xffCD001\x01');
  put(pathTable, 0, Buffer.from([1, 0, root, 0, 0, 0, 1, 0, 0, 0]));
  put(pathTable + 1, 0, Buffer.from([1, 0, 0, 0, 0, root, 0, 1, 0, 0]));
  const records = placed.filter(({ name }) => name !== '').sort((a, b) => (a.name < b.name ? -1 : 1));
  put(
    root,
    0,
    Buffer.concat([rootRecord(0), rootRecord(1), ...records.map(({ name, at, bytes }) => record(Buffer.from(`${name};1`), at, bytes.length, false))]),
  );
  for (const { at, bytes } of placed) put(at, 0, bytes);
  return image;
}
