/** Recognises files that a guest can boot, by their contents, and what lies beside them that belongs to them. Knows nothing of VS Code. */
import { closeSync, existsSync, openSync, readdirSync, readSync } from 'node:fs';
import { basename, dirname, extname, join } from 'node:path';

export type ImageKind = 'linux' | 'pvh' | 'multiboot' | 'multiboot2';

export interface Image {
  readonly path: string;
  readonly kind: ImageKind;
}

export const KIND_NAMES: Readonly<Record<ImageKind, string>> = {
  linux: 'Linux kernel',
  pvh: 'PVH kernel (ELF)',
  multiboot: 'Multiboot kernel',
  multiboot2: 'Multiboot 2 kernel',
};

/** Multiboot headers lie within the first 8 KiB, Multiboot 2 headers within the first 32 KiB. */
const HEAD = 32768;
const MULTIBOOT_SEARCH = 8192;
const MULTIBOOT_MAGIC = 0x1badb002;
const MULTIBOOT2_MAGIC = 0xe85250d6;
/** The boot protocol's signature (Documentation/arch/x86/boot.rst). */
const LINUX_SIGNATURE = { offset: 0x202, text: 'HdrS' } as const;
const PT_NOTE = 4;
const XEN_ELFNOTE_PHYS32_ENTRY = 18;

/** Extensions of bootable files; those without any are looked at too. */
const EXTENSIONS: ReadonlySet<string> = new Set(['', '.elf', '.bin', '.kernel', '.img', '.sys', '.exe', '.amd64', '.x86_64', '.vmlinux']);

/** Is it worth the reading? Versions in names, as in `vmlinuz-6.1.0-9-amd64`, look like extensions. */
export const mayBeImage = (path: string): boolean => EXTENSIONS.has(extname(path).toLowerCase()) || /^(vmlinu[xz]|bzimage)/i.test(basename(path));

function hasWord(bytes: Buffer, word: number, step: number, limit: number): boolean {
  for (let at = 0; at + 12 <= Math.min(limit, bytes.length); at += step) {
    // Magic, architecture or flags, (length,) checksum: the sum is zero.
    if (bytes.readUInt32LE(at) !== word) continue;
    const others = word === MULTIBOOT_MAGIC ? 2 : 3;
    if (at + 4 + 4 * others > bytes.length) continue;
    let sum = word;
    for (let i = 1; i <= others; i++) sum = (sum + bytes.readUInt32LE(at + 4 * i)) >>> 0;
    if (sum === 0) return true;
  }
  return false;
}

/** Notes of an ELF file, 32 or 64 bits: is there Xen's PVH entry? */
function hasPvhNote(head: Buffer, read: (offset: number, length: number) => Buffer): boolean {
  const wide = head[4] === 2;
  if (head.length < 64 || head[5] !== 1) return false;
  const [tableAt, entrySize, count] = wide
    ? [Number(head.readBigUInt64LE(32)), head.readUInt16LE(54), head.readUInt16LE(56)]
    : [head.readUInt32LE(28), head.readUInt16LE(42), head.readUInt16LE(44)];
  if (entrySize < (wide ? 56 : 32) || count > 64) return false;
  const table = read(tableAt, entrySize * count);
  for (let at = 0; at + entrySize <= table.length; at += entrySize) {
    if (table.readUInt32LE(at) !== PT_NOTE) continue;
    const [offset, size] = wide
      ? [Number(table.readBigUInt64LE(at + 8)), Number(table.readBigUInt64LE(at + 32))]
      : [table.readUInt32LE(at + 4), table.readUInt32LE(at + 16)];
    if (notesHavePvh(read(offset, Math.min(size, HEAD)))) return true;
  }
  return false;
}

function notesHavePvh(notes: Buffer): boolean {
  for (let at = 0; at + 12 <= notes.length;) {
    const [nameSize, descriptionSize, type] = [notes.readUInt32LE(at), notes.readUInt32LE(at + 4), notes.readUInt32LE(at + 8)];
    if (type === XEN_ELFNOTE_PHYS32_ENTRY && notes.toString('latin1', at + 12, at + 16) === 'Xen\0') return true;
    at += 12 + ((nameSize + 3) & ~3) + ((descriptionSize + 3) & ~3);
    if (nameSize > HEAD || descriptionSize > HEAD) return false;
  }
  return false;
}

/** What a file is by its first bytes; `read` gets more of it. */
export function kindOf(head: Buffer, read: (offset: number, length: number) => Buffer): ImageKind | undefined {
  const { offset, text } = LINUX_SIGNATURE;
  if (head.toString('latin1', offset, offset + 4) === text) return 'linux';
  if (hasWord(head, MULTIBOOT2_MAGIC, 8, HEAD)) return 'multiboot2';
  if (hasWord(head, MULTIBOOT_MAGIC, 4, MULTIBOOT_SEARCH)) return 'multiboot';
  const isElf = head.length >= 64 && head.readUInt32BE(0) === 0x7f454c46;
  return isElf && hasPvhNote(head, read) ? 'pvh' : undefined;
}

/** Looks into a file; undefined for what can't be booted or read. */
export function recognise(path: string): Image | undefined {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch {
    return undefined;
  }
  try {
    const read = (offset: number, length: number): Buffer => {
      const bytes = Buffer.alloc(length);
      return bytes.subarray(0, readSync(file, bytes, 0, length, offset));
    };
    const kind = kindOf(read(0, HEAD), read);
    return kind && { path, kind };
  } catch {
    return undefined; // a folder, or gone meanwhile
  } finally {
    closeSync(file);
  }
}

/** Files beside a Linux kernel: `vmlinuz-X` goes with `System.map-X` and `initrd.img-X`; without a version, with the plain names. */
export function companions({ path, kind }: Image): { readonly initrd?: string; readonly symbols: readonly string[] } {
  if (kind !== 'linux') return { symbols: [path] };
  const folder = dirname(path);
  const version = /^(?:vmlinuz|bzImage|linux)-(.+)$/i.exec(basename(path))?.[1];
  const names = readdirSync(folder);
  const pick = (stem: RegExp): string | undefined => {
    const found = names.filter((name) => stem.test(name));
    const name = found.find((one) => version !== undefined && one.includes(version)) ?? (version === undefined ? found[0] : undefined);
    return name === undefined ? undefined : join(folder, name);
  };
  const initrd = pick(/^(initrd|initramfs)/i);
  const map = pick(/^System\.map/);
  return { ...(initrd !== undefined && { initrd }), symbols: map !== undefined && existsSync(map) ? [map] : [] };
}
