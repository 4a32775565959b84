/**
 * Fetches the real guests that tests and benchmarks boot, from Debian 12's packages, into `.cache/guests/`:
 *
 *   npm run guests [-- NAME… --refresh --debug-symbols]
 *
 * Names: linux-cloud, linux-generic, ovmf, memtest, seabios, debian-installer-gtk (these when none is given), linux-686,
 * debian-disk (by debootstrap, as root).
 * What is there already is kept; `--refresh` fetches it again. `--debug-symbols` adds the kernels' vmlinux with
 * DWARF and the real System.map (283 MB to download, 600 MB to keep, each).
 */
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Apt, Unavailable } from './guests/apt';
import { debianDisk } from './guests/debiandisk';
import { busyboxInitramfs } from './guests/initramfs';
import { systemMap } from './guests/kallsyms';
import { modulesArchive } from './guests/modules';
import { vmlinuxOf } from './guests/vmlinux';

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const CACHE = join(ROOT, '.cache', 'guests');
const apt = new Apt(join(CACHE, '.apt'));
/** Lists of their own, for the 32-bit guest. */
const apt386 = new Apt(join(CACHE, '.apt-i386'), 'i386');

interface Guest {
  readonly byDefault: boolean;
  /** Files that must be there for the guest to count as fetched. */
  readonly files: readonly string[];
  /** Fills `folder`, returns the packages with their versions. */
  fetch(folder: string): string[];
}

function findOne(root: string, folder: string, pattern: RegExp): string {
  const directory = join(root, folder);
  const name = existsSync(directory) ? readdirSync(directory).find((entry) => pattern.test(entry)) : undefined;
  if (!name) throw new Unavailable(`the package holds no ${folder}/${pattern.source}`);
  return join(directory, name);
}

/** Copies files of a package, given by their paths in it. */
function filesOf(packageName: string, folder: string, paths: Record<string, string>, from = apt, also: (root: string) => void = () => undefined): string {
  const version = from.unpack(packageName, (root) => {
    for (const [name, path] of Object.entries(paths)) {
      copyFileSync(findOne(root, dirname(path), new RegExp(`^${path.split('/').at(-1)}$`)), join(folder, name));
    }
    also(root);
  });
  return `${packageName} ${version}`;
}

/** Drivers of disks and of virtio devices, and file systems with what they ask for by name, where the kernel has them as modules. */
const MODULES = [
  'virtio_pci',
  'virtio_blk',
  'virtio-rng',
  'virtio_console',
  'ahci',
  'sd_mod',
  'sr_mod',
  'nvme',
  'crc32c_generic',
  'ext4',
  'isofs',
  'nls_cp437',
  'nls_ascii',
  'vfat',
];

/** Those of network adapters: an archive of their own, so that guests without a network do not load them. */
const NETWORK_MODULES = ['virtio_pci', 'virtio_net', 'e1000'];

const linux = (metaPackage: string, from = apt): Guest => ({
  byDefault: from === apt,
  files: ['vmlinuz', 'initrd.gz', ...(from === apt ? ['vmlinux', 'System.map', 'modules.gz', 'network.gz'] : [])],
  fetch(folder) {
    const modules = (root: string): void => {
      for (const [name, list] of [['modules.gz', MODULES], ['network.gz', NETWORK_MODULES]] as const)
        writeFileSync(join(folder, name), modulesArchive(join(root, 'lib/modules'), list));
    }; // prettier-ignore
    const image = filesOf(from.resolve(metaPackage), folder, { vmlinuz: 'boot/vmlinuz-.*', config: 'boot/config-.*' }, from, modules);
    const busybox = filesOf('busybox-static', folder, { busybox: 'bin/busybox' }, from);
    writeFileSync(join(folder, 'initrd.gz'), busyboxInitramfs(readFileSync(join(folder, 'busybox'))));
    rmSync(join(folder, 'busybox'));
    if (from === apt) writeSymbols(folder); // the tables of a 32-bit kernel are laid out in another way
    return [image, busybox];
  },
});

function writeSymbols(folder: string): void {
  // The package's System.map is a stub of one line: the symbols are read out of the kernel itself.
  const vmlinux = vmlinuxOf(readFileSync(join(folder, 'vmlinuz')));
  writeFileSync(join(folder, 'vmlinux'), vmlinux);
  writeFileSync(join(folder, 'System.map'), systemMap(vmlinux));
}

const copied = (byDefault: boolean, packageName: string, paths: Record<string, string>): Guest => ({
  byDefault,
  files: Object.keys(paths),
  fetch: (folder) => [filesOf(packageName, folder, paths)],
});

const inFolder = (folder: string, ...names: string[]): Record<string, string> =>
  Object.fromEntries(names.map((name) => [name, `${folder}/${name.replace(/[.+]/g, '\\$&')}`]));

const INSTALLER = 'usr/lib/debian-installer/images/12/amd64/gtk/debian-installer/amd64';
const KERNELS = { 'linux-cloud': 'linux-image-cloud-amd64', 'linux-generic': 'linux-image-amd64' } as const;

const GUESTS: Readonly<Record<string, Guest>> = {
  'linux-cloud': linux(KERNELS['linux-cloud']),
  'linux-generic': linux(KERNELS['linux-generic']),
  'linux-686': linux('linux-image-686', apt386),
  ovmf: copied(true, 'ovmf', {
    ...inFolder('usr/share/OVMF', 'OVMF_CODE_4M.fd', 'OVMF_VARS_4M.fd', 'OVMF_CODE.fd', 'OVMF_VARS.fd'),
    ...inFolder('usr/share/ovmf', 'OVMF.fd'),
  }),
  memtest: copied(true, 'memtest86+', {
    ...inFolder('boot', 'memtest86+x64.bin', 'memtest86+x64.efi', 'memtest86+ia32.bin', 'memtest86+ia32.efi'),
    ...inFolder('usr/lib/memtest86+', 'memtest86+x64.iso'),
  }),
  seabios: copied(true, 'seabios', inFolder('usr/share/seabios', 'bios.bin', 'bios-256k.bin', 'vgabios-stdvga.bin', 'vgabios-bochs-display.bin')),
  'debian-installer-gtk': copied(true, 'debian-installer-12-netboot-amd64', inFolder(INSTALLER, 'linux', 'initrd.gz')),
  'debian-disk': { byDefault: false, files: ['disk.img'], fetch: (folder) => debianDisk(folder, apt) },
};

/** vmlinux with DWARF and the System.map of the matching -dbg package. */
function debugSymbols(name: keyof typeof KERNELS): string {
  const folder = join(CACHE, name);
  return filesOf(`${apt.resolve(KERNELS[name])}-dbg`, folder, {
    'vmlinux.debug': 'usr/lib/debug/boot/vmlinux-.*',
    'System.map': 'usr/lib/debug/boot/System.map-.*',
  });
}

function fetchGuest(name: string, guest: Guest, refresh: boolean): void {
  const folder = join(CACHE, name);
  const manifest = join(folder, 'packages.txt'); // written last: its presence says that the rest is whole
  if (!refresh && [...guest.files, 'packages.txt'].every((file) => existsSync(join(folder, file)))) {
    console.log(`${name}: have ${readFileSync(manifest, 'utf8').trim().replaceAll('\n', ', ')}`);
    return;
  }
  mkdirSync(folder, { recursive: true });
  rmSync(manifest, { force: true });
  const packages = guest.fetch(folder);
  writeFileSync(manifest, `${packages.join('\n')}\n`);
  console.log(`${name}: fetched ${packages.join(', ')}`);
}

function main(): number {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      refresh: { type: 'boolean', default: false },
      'debug-symbols': { type: 'boolean', default: false },
    },
  });
  const unknown = positionals.filter((name) => !(name in GUESTS));
  if (unknown.length > 0) {
    console.error(`no such guest: ${unknown.join(', ')}. There are: ${Object.keys(GUESTS).join(', ')}`);
    return 2;
  }
  let missing = 0;
  const attempt = (name: string, work: () => void): void => {
    try {
      work();
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error;
      console.error(`${name}: not available: ${error.message}`);
      missing++;
    }
  };
  for (const [name, guest] of Object.entries(GUESTS)) {
    if (positionals.length > 0 ? !positionals.includes(name) : !guest.byDefault) continue;
    attempt(name, () => fetchGuest(name, guest, values.refresh));
    if (values['debug-symbols'] && (name === 'linux-cloud' || name === 'linux-generic')) {
      attempt(`${name} debug symbols`, () => console.log(`${name}: fetched ${debugSymbols(name)}`));
    }
  }
  return missing > 0 ? 1 : 0;
}

process.exitCode = main();
