/** What ours is compared with. A missing peer is said by name. */
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import type { Options } from './options';

export interface Peers {
  readonly gcc: boolean;
  readonly qemu: string | undefined;
  readonly gdb: string | undefined;
  /** Version of the npm package. */
  readonly v86: string | undefined;
  /** What is missing, and what isn't measured for it. */
  readonly missing: readonly string[];
}

const versionOf = (program: string): string | undefined => {
  const { status, stdout } = spawnSync(program, ['--version'], { encoding: 'utf8' });
  return status === 0 ? stdout.split('\n')[0] : undefined;
};

function v86Version(): string | undefined {
  try {
    return (createRequire(import.meta.url)('v86/package.json') as { version: string }).version;
  } catch {
    return undefined;
  }
}

export function findPeers(options: Options): Peers {
  const gcc = versionOf('gcc') !== undefined && versionOf('ld') !== undefined;
  const missing = gcc ? [] : ['gcc and ld (Debian: gcc, libc6-dev, binutils): kernels are not built'];
  if (options.oursOnly) return { gcc, qemu: undefined, gdb: undefined, v86: undefined, missing };
  const qemuVersion = versionOf('qemu-system-x86_64');
  const gdb = versionOf('gdb');
  const v86 = v86Version();
  if (!qemuVersion) missing.push('QEMU (Debian: qemu-system-x86): no column TCG');
  if (!gdb) missing.push("gdb (Debian: gdb): no latency of QEMU's reverse debugging");
  if (!v86) missing.push('v86 (npm ci): no column v86');
  return { gcc, qemu: qemuVersion, gdb, v86, missing };
}

/** isa-debug-exit ends QEMU with (value << 1) | 1. */
export const QEMU_EXIT_ZERO = 1;

/** One vCPU, interpreted by TCG on one thread, with the serial line on standard output. */
export const qemu = (...args: string[]): string[] => [
  'qemu-system-x86_64', '-accel', 'tcg,thread=single', '-smp', '1', '-m', '512', '-nodefaults', '-display', 'none', '-serial', 'stdio', '-no-reboot',
  '-device', 'isa-debug-exit,iobase=0xf4,iosize=1', ...args,
]; // prettier-ignore
