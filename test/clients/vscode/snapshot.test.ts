/** Snapshot files as documents in a real VS Code: what is in one, and what differs between two. Screenshots: test-output/vscode/. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FrameLocator } from 'playwright-core';
import type { MachineConfig } from '../../../emulator/machine/api';
import type { LocalGuest } from '../../../emulator/machine/local';
import { openGuest } from '../../../emulator/machine/open';
import { KERNEL } from './hello';
import { vsCode } from './suite';

const CONFIG: MachineConfig = {
  kernel: KERNEL,
  memory: 16 << 20,
  cpus: 1,
  startTime: Date.UTC(2025, 0, 1),
  framebuffer: { width: 640, height: 480 },
  historyBytes: 16 << 20,
  checkpointEvery: 1_000_000,
  debugExitPort: false,
};

describe('VS Code: snapshot files', function () {
  this.timeout(300_000);
  const rips: string[] = [];
  const { code, path } = vsCode({
    async prepare(folder) {
      const guest = (await openGuest(CONFIG)) as LocalGuest;
      for (const [name, position] of [
        ['first', 5_000_000],
        ['second', 9_000_000],
      ] as const) {
        const stopped = new Promise<void>((done) => guest.on(({ event }) => event === 'stopped' && done()));
        await guest.resume({ position, unattended: true });
        await stopped;
        await guest.save(join(folder, `${name}.guest`), { historyBytes: 1 << 26 });
        rips.push(`0x${(await guest.registers(0))['rip']!.toString(16).padStart(16, '0')}`);
      }
      await guest.close();
      writeFileSync(join(folder, 'damaged.guest'), 'this is no snapshot');
    },
  });

  /** The page of a document, once it is the one that is to be seen. */
  async function open(name: string): Promise<FrameLocator> {
    await code.openFile(name);
    await code.webview().locator('h1', { hasText: name }).waitFor();
    return code.webview();
  }
  const cell = (page: FrameLocator, part: string, name: string) =>
    page.locator('section', { has: page.locator('> details > summary', { hasText: new RegExp(`^${part}`) }) }).locator('tr', { has: page.locator('th', { hasText: new RegExp(`^${name}$`) }) }); // prettier-ignore

  it('one shows registers, chips with their bits, memory and the screen', async () => {
    const page = await open('first.guest');
    assert.equal(await cell(page, 'vCPU 0', 'rip').locator('.value').innerText(), rips[0]);
    await page.locator('.pictures img').waitFor();
    assert.deepEqual(await page.locator('.pictures img').evaluate((image: HTMLImageElement) => [image.naturalWidth, image.naturalHeight]), [640, 480]);
    await code.picture('snapshot');
    await page.getByLabel('Filter fields').fill('com1');
    await cell(page, 'com1', 'lsr').locator('.bit.set').first().waitFor();
    await code.picture('snapshot-filtered');
    await page.getByLabel('Filter fields').fill('');
    await page.getByLabel('Address').fill('0x100000');
    await page.getByRole('button', { name: 'Show' }).click();
    await page.locator('#dump', { hasText: '0000000000100000  ' }).waitFor();
    await page.getByLabel('Address').fill('nowhere');
    await page.getByRole('button', { name: 'Show' }).click();
    await page.locator('#dump.problem', { hasText: "'nowhere' is no address" }).waitFor();
    const map = page.locator('section > details', { has: page.locator('> summary', { hasText: 'Address map' }) });
    // The filter may have opened it.
    await map.evaluate((part: HTMLDetailsElement) => (part.open = true));
    await map.locator('tr', { hasText: /0x0000000000000000.*0x0000000000ffffff.*ram/ }).waitFor();
    await map.locator('tr', { hasText: /I\/O port.*0x03f8.*0x03ff.*com1/ }).waitFor();
    assert.match(await page.locator('summary', { hasText: /^History/ }).innerText(), /\([1-9]\d* checkpoints\)/);
  });

  it('that is none is refused in words', async () => {
    await code.openFile('damaged.guest');
    await code
      .webview()
      .locator('[role=alert]', { hasText: /damaged\.guest.*this is no snapshot/ })
      .waitFor();
  });

  it('one is resumed from its document', async () => {
    await (await open('second.guest')).getByRole('button', { name: 'Resume' }).click();
    await code.runAndDebug();
    await code.stopped();
    await code.variables.expand('General');
    assert.equal(await code.variables.valueOnce('rip', (value) => value === rips[1]), rips[1]);
    await code.stop();
  });

  it('two are compared, side by side', async () => {
    await (await open('first.guest')).getByRole('button', { name: 'Compare with…' }).click();
    await code.quickInput.answerFile(path('second.guest'));
    const page = code.webview();
    await page.locator('h1', { hasText: /first\.guest ↔ second\.guest: \d+ differences/ }).waitFor();
    const row = cell(page, 'vcpu 0', 'general.rip');
    assert.equal(BigInt(await row.locator('.before').innerText()), BigInt(rips[0]!));
    assert.equal(BigInt(await row.locator('.after').innerText()), BigInt(rips[1]!));
    await page.locator('.pictures img').nth(1).waitFor();
    await code.picture('snapshot-comparison');
  });
});
