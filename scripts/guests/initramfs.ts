import { gzipSync } from 'node:zlib';
import { cpio, type CpioEntry } from './cpio';

/** Runs as process 1. Leaving the shell powers the machine off. */
const INIT = `#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
echo GUEST-USERLAND-READY
setsid cttyhack sh
poweroff -f
`;

const APPLETS = (
  'ash awk cat chmod chroot clear cp cttyhack cut date dd devmem df dmesg echo env expr false find free grep gunzip ' +
  'halt head hexdump hostname id ifconfig insmod ip kill ln ls lsmod lspci md5sum mkdir mknod modprobe more mount mv ' +
  'nc od ping poweroff printf ps pwd reboot rm rmdir rmmod sed seq setsid sh sha256sum sleep sort stat stty sync tail ' +
  'tar test time top touch tr true tty umount uname uniq uptime usleep vi wc wget which xargs yes zcat'
).split(' ');

/** A gzipped initramfs around a static busybox; the same busybox always gives the same bytes. */
export function busyboxInitramfs(busybox: Uint8Array): Buffer {
  const directory = (path: string): CpioEntry => ({ type: 'directory', path, mode: 0o755 });
  const entries: CpioEntry[] = [
    ...['bin', 'dev', 'etc', 'proc', 'root', 'sys', 'tmp'].map(directory),
    { type: 'character', path: 'dev/console', mode: 0o600, major: 5, minor: 1 },
    { type: 'character', path: 'dev/null', mode: 0o666, major: 1, minor: 3 },
    { type: 'file', path: 'init', mode: 0o755, content: Buffer.from(INIT) },
    { type: 'file', path: 'bin/busybox', mode: 0o755, content: busybox },
    ...APPLETS.map((name): CpioEntry => ({ type: 'symlink', path: `bin/${name}`, target: 'busybox' })),
  ];
  const zipped = gzipSync(cpio(entries), { level: 9 });
  zipped[9] = 3; // "operating system: Unix" on every host
  return zipped;
}
