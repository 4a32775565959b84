/** A FAT16 file system with files in folders, as UEFI boots it from a disk without partitions: FAT specification 1.03. */

const SECTOR = 512;
const PER_CLUSTER = 8;
const CLUSTER = SECTOR * PER_CLUSTER;
const ROOT_ENTRIES = 512;
const ENTRY = 32;
const DIRECTORY = 0x10;
const END = 0xffff;

/** `paths` are of upper-case 8.3 names, as `EFI/BOOT/BOOTX64.EFI`. The image has `megabytes`, 32 to 256. */
export function fatImage(files: Readonly<Record<string, Uint8Array>>, megabytes = 64): Uint8Array {
  const image = new Uint8Array(megabytes << 20);
  const view = new DataView(image.buffer);
  const sectors = image.length / SECTOR;
  const fatSectors = Math.ceil((sectors / PER_CLUSTER + 2) / (SECTOR / 2));
  const rootAt = (1 + 2 * fatSectors) * SECTOR;
  const dataAt = rootAt + ROOT_ENTRIES * ENTRY;

  image.set([0xeb, 0x3c, 0x90, ...Buffer.from('TESTDISK')]);
  view.setUint16(11, SECTOR, true);
  image[13] = PER_CLUSTER;
  view.setUint16(14, 1, true); // reserved sectors
  image[16] = 2; // FATs
  view.setUint16(17, ROOT_ENTRIES, true);
  image[21] = 0xf8; // fixed disk
  view.setUint16(22, fatSectors, true);
  view.setUint32(32, sectors, true);
  image[38] = 0x29;
  image.set(Buffer.from('NO NAME    FAT16   '), 43);
  image.set([0x55, 0xaa], 510);

  let next = 2;
  const links = (cluster: number, link: number): void => {
    for (const fat of [0, 1]) view.setUint16((1 + fat * fatSectors) * SECTOR + 2 * cluster, link, true);
  };
  links(0, 0xfff8);
  links(1, END);
  /** Clusters in a row; gives the first, or 0 where there is nothing to hold. */
  const allocate = (length: number): number => {
    const first = next;
    next += Math.ceil(length / CLUSTER);
    for (let cluster = first; cluster < next; cluster++) links(cluster, cluster + 1 < next ? cluster + 1 : END);
    return length === 0 ? 0 : first;
  };
  const place = (cluster: number): number => dataAt + (cluster - 2) * CLUSTER;
  const entry = (at: number, name: string, attributes: number, cluster: number, size: number): void => {
    const [base = '', extension = ''] = name.startsWith('.') ? [name] : name.split('.');
    image.set(Buffer.from(base.padEnd(8) + extension.padEnd(3)), at);
    image[at + 11] = attributes;
    view.setUint16(at + 24, 0x21, true); // 1980-01-01
    view.setUint16(at + 26, cluster, true);
    view.setUint32(at + 28, size, true);
  };
  const folders = new Map<string, { cluster: number; at: number }>([['', { cluster: 0, at: rootAt }]]);
  const folder = (path: string): { cluster: number; at: number } => {
    const found = folders.get(path);
    if (found) return found;
    const cut = path.lastIndexOf('/');
    const parent = folder(path.slice(0, Math.max(cut, 0)));
    const cluster = allocate(CLUSTER);
    entry(parent.at, path.slice(cut + 1), DIRECTORY, cluster, 0);
    parent.at += ENTRY;
    entry(place(cluster), '.', DIRECTORY, cluster, 0);
    entry(place(cluster) + ENTRY, '..', DIRECTORY, parent.cluster, 0);
    const made = { cluster, at: place(cluster) + 2 * ENTRY };
    folders.set(path, made);
    return made;
  };
  for (const [path, bytes] of Object.entries(files)) {
    const cut = path.lastIndexOf('/');
    const parent = folder(path.slice(0, Math.max(cut, 0)));
    const cluster = allocate(bytes.length);
    entry(parent.at, path.slice(cut + 1), 0x20, cluster, bytes.length);
    parent.at += ENTRY;
    if (cluster > 0) image.set(bytes, place(cluster));
  }
  return image;
}
