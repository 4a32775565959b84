/** What the display panel does beside pictures, with a real BIOS and a real Linux: keys, text that is typed, and the text of the screen. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { PNG } from 'pngjs';
import type { GuestRequests } from '../../adapter/protocol/guest';
import { CHORDS } from '../../media/display/chords';
import { Client } from '../../scripts/start/client';
import { writePicture } from '../../scripts/start/screen';
import { screenText } from './screentext';

const ROOT = resolve(__dirname, '../..');
const SEABIOS = join(ROOT, '.cache/guests/seabios');
const VGA_BIOS = join(SEABIOS, 'vgabios-stdvga.bin');
const LINUX = join(ROOT, '.cache/guests/linux-generic');
/** xor ah, ah; int 0x16; mov ah, 0x0e; xor bh, bh; int 0x10; and again: what the BIOS has read goes to the screen. */
const ECHO = [0x30, 0xe4, 0xcd, 0x16, 0xb4, 0x0e, 0x30, 0xff, 0xcd, 0x10, 0xeb, 0xf4];
const ASCII = Array.from({ length: 0x5f }, (_, i) => String.fromCharCode(0x20 + i)).join('');

describe('keys and text of the display panel', function () {
  this.timeout(120_000);
  let folder = '';
  let client: Client | undefined;
  let printed = '';
  beforeEach(() => ([folder, printed] = ['', '']));
  afterEach(async () => {
    await client?.close();
    if (folder) rmSync(folder, { recursive: true });
  });

  async function launch(configuration: object): Promise<Client> {
    client = new Client(join(process.env['GUEST_DIST'] ?? join(ROOT, 'dist'), 'adapter.js'));
    client.on(({ event, body }) => (event === 'output' ? (printed += (body as { output: string }).output) : undefined));
    await client.request('initialize', { adapterID: 'guest' });
    const ready = client.next('initialized');
    await client.request('launch', configuration);
    await ready;
    await client.request('configurationDone');
    return client;
  }
  async function prints(wanted: RegExp): Promise<void> {
    for (const end = Date.now() + 100_000; Date.now() < end && !wanted.test(printed);) await new Promise((resolve) => setTimeout(resolve, 100));
    assert.match(printed, wanted);
  }

  it('every character of ASCII comes back as text, which is what the pixels show', async function () {
    if (!existsSync(SEABIOS)) return this.skip(); // npm run guests
    folder = mkdtempSync(join(tmpdir(), 'guest-display-'));
    const sector = new Uint8Array(1 << 20);
    sector.set(ECHO);
    sector.set([0x55, 0xaa], 510);
    writeFileSync(join(folder, 'echo.img'), sector);
    const guest = await launch({
      bios: join(SEABIOS, 'bios-256k.bin'), vgaBios: VGA_BIOS, display: 'vga', memory: '64M', disks: [{ path: join(folder, 'echo.img'), bus: 'virtio' }],
    }); // prettier-ignore
    const text = async (): Promise<string> => (await guest.request<GuestRequests['guest/screenText']['body']>('guest/screenText')).text ?? '';
    const shows = async (wanted: string): Promise<void> => {
      let seen = '';
      for (const end = Date.now() + 60_000; Date.now() < end; await new Promise((resolve) => setTimeout(resolve, 100))) {
        seen = await text();
        // Lines end at 80 characters, without their last blanks.
        if (seen.replaceAll('\n', '').includes(wanted)) return;
      }
      assert.fail(`'${wanted}' is not to be seen in\n${seen}`);
    };
    await shows('Booting from Hard Disk...');
    for (let at = 0; at < ASCII.length; at += 8) {
      const piece = ASCII.slice(at, at + 8);
      assert.deepEqual(await guest.request('guest/type', { text: piece }), { skipped: '' });
      await shows(piece.trimEnd());
    }
    await shows(ASCII.trimStart());
    const stopped = guest.next('stopped');
    await guest.request('pause', { threadId: 1 });
    await stopped;
    const picture = join(folder, 'screen.png');
    assert.ok(await writePicture(guest, picture));
    const pixels = screenText(PNG.sync.read(readFileSync(picture)), readFileSync(VGA_BIOS));
    const lines = (await text()).split('\n');
    // The cursor is a part of the picture.
    assert.deepEqual(
      lines.slice(0, -1),
      pixels.slice(0, lines.length - 1).map((line) => line.trimEnd()),
    );
  });

  it("Linux understands SysRq of the panel's menu", async function () {
    if (!existsSync(LINUX)) return this.skip(); // npm run guests
    const files = { program: join(LINUX, 'vmlinuz'), initrd: join(LINUX, 'initrd.gz') };
    const guest = await launch({ ...files, append: 'console=ttyS0 sysrq_always_enabled', memory: '512M' });
    await prints(/GUEST-USERLAND-READY/);
    const help = CHORDS.flat().find(({ name }) => name.startsWith('SysRq H'))!;
    await guest.request('guest/key', { chord: help.codes });
    await prints(/sysrq: HELP : .*reboot\(b\)/);
    // Linux has all the others of the menu too.
    const letters = /sysrq: HELP : (.*)/.exec(printed)![1]!;
    for (const { codes } of CHORDS.flat().filter(({ name }) => /^SysRq [^H]/.test(name)))
      assert.ok(letters.includes(`(${codes.at(-1)!.slice(3).toLowerCase()})`), codes.join());
  });
});
