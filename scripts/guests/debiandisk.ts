/**
 * A small Debian 12 as debootstrap makes it, on a disk that UEFI starts: a GUID partition table, GRUB as Debian builds it on the EFI
 * system partition, kernel and everything else on ext4. Nothing is mounted for it; debootstrap itself needs root.
 */
import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, renameSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { RELEASE, Unavailable, type Apt } from './apt';
import { fatImage } from './fat';
import { PARTITION_TYPE, partitionedImage } from './gpt';

const MIRROR = 'http://deb.debian.org/debian';
/** With zstd the initial RAM disk is packed as on any Debian. */
const PACKAGES = ['systemd-sysv', 'udev', 'linux-image-amd64', 'zstd'];
const ID = { disk: '47756573-7444-6562-8000-000000000001', efi: '47756573-7444-6562-8000-000000000002', root: '47756573-7444-6562-8000-000000000003' };
const EFI_MEGABYTES = 64;
const ROOT_MEGABYTES = 1200;
const HOST = 'guest';
/** Of user root. */
export const PASSWORD = 'debug';

const MENU = `set timeout=2
menuentry 'Debian on a virtual disk' {
  set gfxpayload=keep
  linux /vmlinuz root=UUID=${ID.root} ro
  initrd /initrd.img
}
`;
/** What grub-install writes beside GRUB: where the rest is. */
const FIND_MENU = `search.fs_uuid ${ID.root} root
set prefix=($root)/boot/grub
configfile $prefix/grub.cfg
`;

function run(program: string, args: readonly string[], input?: string): string {
  const { error, status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8', maxBuffer: 1 << 28, ...(input !== undefined && { input }) });
  if (error) throw new Unavailable(`"${program}" can't be run here: a Debian host with debootstrap and e2fsprogs is needed`);
  if (status !== 0) throw new Unavailable(`${program} fails: ${(stderr || stdout).trim().split('\n').slice(-3).join('; ')}`);
  return stdout;
}

/** Never into what is mounted there still. */
function remove(folder: string): void {
  if (!readFileSync('/proc/mounts', 'utf8').includes(` ${folder}/`)) rmSync(folder, { recursive: true, force: true });
}

/** Writes `disk.img` into the folder; returns the packages with their versions. */
export function debianDisk(folder: string, apt: Apt): string[] {
  if (process.getuid?.() !== 0) throw new Unavailable('debootstrap needs root');
  const work = mkdtempSync(join(folder, 'work-'));
  try {
    const root = join(work, 'root');
    run('debootstrap', ['--variant=minbase', `--include=${PACKAGES.join()}`, RELEASE, root, MIRROR]);
    configure(root);
    let grub: Buffer | undefined;
    const version = apt.unpack('grub-efi-amd64-bin', (at) => (grub = readFileSync(join(at, 'usr/lib/grub/x86_64-efi/monolithic/grubx64.efi'))));
    const image = join(work, 'disk.img');
    writeImage(image, root, { 'EFI/BOOT/BOOTX64.EFI': grub!, 'EFI/DEBIAN/GRUB.CFG': Buffer.from(FIND_MENU) });
    renameSync(image, join(folder, 'disk.img'));
    const kernel = run('chroot', [root, 'dpkg-query', '-W', '-f', '${Package} ${Version}\n', 'linux-image-*-amd64', 'systemd', 'base-files']);
    return [...kernel.trim().split('\n'), `grub-efi-amd64-bin ${version}`];
  } finally {
    remove(work);
  }
}

function configure(root: string): void {
  const file = (name: string, text: string): void => writeFileSync(join(root, name), text);
  file('etc/hostname', `${HOST}\n`);
  file('etc/fstab', `UUID=${ID.root} / ext4 errors=remount-ro 0 1\n`);
  run('mkdir', ['-p', join(root, 'boot/grub')]);
  file('boot/grub/grub.cfg', MENU);
  run('chroot', [root, 'chpasswd'], `root:${PASSWORD}\n`);
  run('chroot', [root, 'apt-get', 'clean']);
}

function writeImage(path: string, root: string, efi: Readonly<Record<string, Uint8Array>>): void {
  const [efiAt, rootAt] = partitionedImage(path, ID.disk, [
    { type: PARTITION_TYPE.efiSystem, id: ID.efi, name: 'EFI', megabytes: EFI_MEGABYTES },
    { type: PARTITION_TYPE.linuxRoot, id: ID.root, name: 'Debian', megabytes: ROOT_MEGABYTES },
  ]) as [number, number];
  const file = openSync(path, 'r+');
  const fat = fatImage(efi, EFI_MEGABYTES);
  writeSync(file, fat, 0, fat.length, efiAt);
  closeSync(file);
  run('mke2fs', ['-q', '-F', '-t', 'ext4', '-U', ID.root, '-L', 'debian', '-d', root, '-E', `offset=${rootAt}`, path, `${ROOT_MEGABYTES}M`]);
}
