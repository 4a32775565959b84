/**
 * Writer for the cpio "newc" format, which Linux takes as an initramfs
 * (Documentation/driver-api/early-userspace/buffer-format.rst). Needs no root: devices are only
 * entries. The same entries always give the same bytes.
 */

const TYPE = { directory: 0o040000, file: 0o100000, symlink: 0o120000, character: 0o020000 } as const;

export type CpioEntry =
  | { readonly type: 'directory'; readonly path: string; readonly mode: number }
  | { readonly type: 'file'; readonly path: string; readonly mode: number; readonly content: Uint8Array }
  | { readonly type: 'symlink'; readonly path: string; readonly target: string }
  | {
      readonly type: 'character';
      readonly path: string;
      readonly mode: number;
      readonly major: number;
      readonly minor: number;
    };

const pad4 = (length: number): Buffer => Buffer.alloc(-length & 3);
const hex8 = (value: number): string => value.toString(16).toUpperCase().padStart(8, '0');

function member(inode: number, entry: CpioEntry | null): Buffer {
  const name = Buffer.from(`${entry?.path ?? 'TRAILER!!!'}\0`);
  const content = entry?.type === 'file' ? entry.content : Buffer.from(entry?.type === 'symlink' ? entry.target : '');
  const permissions = entry === null ? 0 : entry.type === 'symlink' ? 0o777 : entry.mode;
  const device = entry?.type === 'character' ? entry : { major: 0, minor: 0 };
  const fields = [
    inode,
    entry === null ? 0 : TYPE[entry.type] | permissions,
    0, // uid
    0, // gid
    entry?.type === 'directory' ? 2 : 1, // links
    0, // modification time
    content.length,
    0, // device the file is on
    0,
    device.major,
    device.minor,
    name.length,
    0, // checksum, unused in newc
  ];
  const header = Buffer.from(`070701${fields.map(hex8).join('')}`);
  return Buffer.concat([header, name, pad4(header.length + name.length), content, pad4(content.length)]);
}

export function cpio(entries: readonly CpioEntry[]): Buffer {
  const archive = Buffer.concat([...entries.map((entry, index) => member(index + 1, entry)), member(0, null)]);
  return Buffer.concat([archive, Buffer.alloc(-archive.length & 511)]);
}
