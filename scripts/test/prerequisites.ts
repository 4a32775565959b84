/** What tests need beside Node: Debian's packages and real guests. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';

export type Need = 'gcc' | 'python' | 'qemu' | 'chromium' | 'viewer' | 'debootstrap' | 'guests' | 'debian-disk';

interface Tool {
  readonly packages: readonly string[];
  readonly found: () => boolean;
  /** What goes without it. */
  readonly without: string;
}

const runs = (program: string): boolean => spawnSync(program, ['--version'], { stdio: 'ignore' }).status === 0;

const installed = (program: string): boolean => spawnSync('which', [program], { stdio: 'ignore' }).status === 0;

const TOOLS: Readonly<Record<Exclude<Need, 'guests' | 'debian-disk'>, Tool>> = {
  gcc: {
    packages: ['gcc', 'libc6-dev', 'binutils'],
    found: () => runs('gcc') && runs('ld'),
    without: 'the comparison with the processor, and the check that samples are built from their sources',
  },
  python: { packages: ['python3'], found: () => runs('python3'), without: 'the reader of snapshot files that knows their document only' },
  qemu: { packages: ['qemu-system-x86'], found: () => runs('qemu-system-x86_64'), without: 'the comparison with QEMU' },
  chromium: {
    packages: ['chromium', 'fonts-dejavu-core', 'fonts-liberation'],
    found: () => existsSync('/usr/bin/chromium'),
    without: 'the tests in a real VS Code',
  },
  viewer: {
    packages: ['tigervnc-viewer', 'xvfb', 'xdotool', 'x11-apps'],
    found: () => ['Xvfb', 'xwd', 'xdotool', 'xtigervncviewer'].every(installed),
    without: 'the tests with a VNC viewer',
  },
  debootstrap: {
    packages: ['debootstrap', 'e2fsprogs'],
    found: () => ['debootstrap', 'mke2fs'].every(installed),
    without: 'Debian from a virtual disk',
  },
};

const isDebian = (): boolean => existsSync('/etc/os-release') && /^ID(_LIKE)?=.*debian/m.test(readFileSync('/etc/os-release', 'utf8'));

function install(packages: readonly string[]): boolean {
  const environment = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const apt = (...args: string[]): boolean => spawnSync('apt-get', args, { stdio: ['ignore', 'ignore', 'inherit'], env: environment }).status === 0;
  console.log(`installing ${packages.join(' ')}`);
  apt('-qq', 'update');
  return apt('-qq', 'install', '-y', '--no-install-recommends', ...packages);
}

/** Installs what is missing where that can be done; says what is missing where not. Never fails: tests skip, visibly. */
export async function prerequisites(needs: ReadonlySet<Need>): Promise<void> {
  const tools = (Object.keys(TOOLS) as (keyof typeof TOOLS)[]).filter((name) => needs.has(name));
  const absent = tools.filter((name) => !TOOLS[name].found());
  if (absent.length > 0) {
    if (isDebian() && process.getuid?.() === 0) install(absent.flatMap((name) => TOOLS[name].packages));
    for (const name of absent.filter((tool) => !TOOLS[tool].found())) {
      console.log(`missing: ${name} (Debian: ${TOOLS[name].packages.join(' ')}); skipped for it: ${TOOLS[name].without}`);
    }
  }
  if (needs.has('guests')) fetchGuests();
  if (needs.has('debian-disk')) fetchGuests('debian-disk');
}

/** Those that tests boot, or the ones that are named. */
function fetchGuests(...names: string[]): void {
  const fetched = spawnSync('npm', ['run', '--silent', 'guests', '--', ...names], { stdio: 'inherit', shell: process.platform === 'win32' });
  if (fetched.status !== 0) console.log(`missing: some real guests (npm run guests -- ${names.join(' ')}); the tests that boot them are skipped`);
}
