import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** Something that this host or its network can't give; the message says what to do. */
export class Unavailable extends Error {}

export const RELEASE = 'bookworm';
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';
const SOURCES = [`debian ${RELEASE}`, `debian ${RELEASE}-updates`, `debian-security ${RELEASE}-security`]
  .map((suite) => `deb [signed-by=${KEYRING}] http://deb.debian.org/${suite} main\n`)
  .join('');

/**
 * Debian 12's packages, without root and without touching the host's own package state. On a Debian 12
 * host with package lists these are used; elsewhere lists of our own are kept under `directory`.
 */
export class Apt {
  private options: string[] | undefined;

  constructor(
    private readonly directory: string,
    private readonly architecture: 'amd64' | 'i386' = 'amd64',
  ) {}

  private run(program: string, args: readonly string[], cwd?: string): { ok: boolean; output: string; error: string } {
    const child = spawnSync(program, args, {
      cwd,
      encoding: 'utf8',
      maxBuffer: 1 << 28,
      env: { ...process.env, LC_ALL: 'C' },
    });
    if (child.error) throw new Unavailable(`"${program}" can't be run here: a Debian host (apt, dpkg) is needed`);
    return { ok: child.status === 0, output: child.stdout, error: child.stderr.trim() };
  }

  /** apt options under which the package lists of Debian 12 are known. */
  private prepared(): string[] {
    if (this.options) return this.options;
    const release = existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : '';
    const isRelease = new RegExp(`^VERSION_CODENAME=${RELEASE}$`, 'm').test(release);
    const common = [...['-o', 'APT::Sandbox::User=root', '-o', `APT::Architecture=${this.architecture}`], ...['-o', `APT::Architectures=${this.architecture}`]];
    // The host's own lists are those of its own architecture.
    if (isRelease && this.architecture === 'amd64' && this.run('apt-cache', [...common, 'show', 'ovmf']).ok) return (this.options = common);

    for (const part of ['lists/partial', 'cache/archives/partial']) {
      mkdirSync(join(this.directory, part), { recursive: true });
    }
    const own = [...common, ...['-o', `Dir::State::Lists=${resolve(this.directory, 'lists')}`], ...['-o', `Dir::Cache=${resolve(this.directory, 'cache')}`]];
    if (!isRelease) {
      if (!existsSync(KEYRING)) {
        throw new Unavailable(`not Debian 12, and ${KEYRING} (package debian-archive-keyring) is missing`);
      }
      const list = resolve(this.directory, 'sources.list');
      writeFileSync(list, SOURCES);
      own.push('-o', `Dir::Etc::SourceList=${list}`, '-o', 'Dir::Etc::SourceParts=-', '-o', 'Dir::State::Status=/dev/null');
    } else own.push('-o', 'Dir::State::Status=/dev/null');
    const update = this.run('apt-get', [...own, '-qq', 'update']);
    if (!this.run('apt-cache', [...own, 'show', 'ovmf']).ok) {
      throw new Unavailable(`the package lists of Debian 12 can't be fetched: ${update.error || 'no package "ovmf" in them'}`);
    }
    return (this.options = own);
  }

  /** The package that a meta-package stands for now, the first one it depends on. */
  resolve(metaPackage: string): string {
    const { output } = this.run('apt-cache', [...this.prepared(), 'depends', metaPackage]);
    const name = /^\s*Depends: (\S+)$/m.exec(output)?.[1];
    if (!name) throw new Unavailable(`package "${metaPackage}" isn't in the package lists`);
    return name;
  }

  /** Downloads and unpacks a package; returns its version. `take` gets the folder and must copy what it wants. */
  unpack(name: string, take: (root: string) => void): string {
    const options = this.prepared();
    mkdirSync(this.directory, { recursive: true });
    const work = mkdtempSync(join(this.directory, 'unpack-'));
    try {
      const download = this.run('apt-get', [...options, '-qq', 'download', name], work);
      const file = readdirSync(work).find((entry) => entry.endsWith('.deb'));
      if (!file) throw new Unavailable(`package "${name}" can't be downloaded: ${download.error}`);
      const root = join(work, 'root');
      const unpacked = this.run('dpkg', ['-x', join(work, file), root]);
      if (!unpacked.ok) throw new Unavailable(`${file} can't be unpacked: ${unpacked.error}`);
      take(root);
      return decodeURIComponent(file.split('_')[1] ?? '');
    } finally {
      rmSync(work, { recursive: true, force: true });
    }
  }
}
