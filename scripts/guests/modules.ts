import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { cpio, type CpioEntry } from './cpio';

const canonical = (name: string): string => name.replaceAll('-', '_');

/** Names after `depends=` in a module's .modinfo. */
function dependenciesOf(module: Buffer): readonly string[] {
  const at = module.indexOf('\0depends=');
  if (at < 0) return [];
  const from = at + '\0depends='.length;
  return module.toString('latin1', from, module.indexOf(0, from)).split(',').filter(Boolean);
}

/**
 * Kernel modules with all that they need as a gzipped archive that goes behind an initramfs: `lib/modules/NAME.ko`, and
 * `etc/modules` with the names in the order in which they are to be loaded. What the kernel has built in is not there.
 */
export function modulesArchive(folder: string, names: readonly string[]): Buffer {
  const files = new Map(
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.ko'))
      .map((path) => [canonical(basename(path, '.ko')), join(folder, path)]),
  );
  const loaded = new Map<string, Buffer>();
  const add = (name: string): void => {
    const path = files.get(canonical(name));
    if (path === undefined || loaded.has(canonical(name))) return;
    const module = readFileSync(path);
    dependenciesOf(module).forEach(add);
    loaded.set(canonical(name), module);
  };
  names.forEach(add);
  const directory = (path: string): CpioEntry => ({ type: 'directory', path, mode: 0o755 });
  const zipped = gzipSync(
    cpio([
      ...['etc', 'lib', 'lib/modules'].map(directory),
      { type: 'file', path: 'etc/modules', mode: 0o644, content: Buffer.from([...loaded.keys(), ''].join('\n')) },
      ...[...loaded].map(([name, content]): CpioEntry => ({ type: 'file', path: `lib/modules/${name}.ko`, mode: 0o644, content })),
    ]),
    { level: 9 },
  );
  zipped[9] = 3; // "operating system: Unix" on every host
  return zipped;
}
