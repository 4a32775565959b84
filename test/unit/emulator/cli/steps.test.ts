import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PNG } from 'pngjs';
import { parseScreenCondition, stepsOf, type Step, type StepOption } from '../../../../emulator/cli/steps';

const shown = (step: Step): string => {
  switch (step.kind) {
    case 'until':
      return step.what === 'serial'
        ? `serial ${step.texts.length > 1 ? 'prompt' : step.texts[0]}`
        : `screen ${step.screen.kind === 'text' ? step.screen.text : 'image'}`;
    case 'serial':
      return `type ${Buffer.from(step.bytes).toString()}`;
    case 'keys':
      return `keys ${step.keys.length}`;
    case 'click':
      return `click ${step.x} ${step.y} ${step.button}`;
  }
};
const steps = (...given: [StepOption, string][]): string[] => stepsOf(given).map(shown);

describe('steps of a run', () => {
  it('in their order', () => {
    assert.deepEqual(steps(['--until-screen', 'Shell> '], ['--send-keys', 'ver<enter>'], ['--click', '10,20'], ['--click', '1,2,right'], ['--until-serial', 'a\\n']), [
      'screen Shell> ', 'keys 4', 'click 10 20 1', 'click 1 2 2', 'serial a\n',
    ]); // prettier-ignore
  });

  it('what is typed waits for a prompt, or for the text of the --type-after beside it', () => {
    assert.deepEqual(steps(['--type-serial', 'a'], ['--until-serial', 'b']), ['serial prompt', 'type a\r', 'serial b']);
    assert.deepEqual(steps(['--type-after', '>'], ['--type-serial', 'a']), ['serial >', 'type a\r']);
    assert.deepEqual(steps(['--type-serial', 'a'], ['--type-after', '>'], ['--until-serial', '>']), ['serial >', 'type a\r', 'serial >']);
    assert.deepEqual(steps(['--type-serial', 'a'], ['--type-after', '1'], ['--type-serial', 'b']), ['serial prompt', 'type a\r', 'serial 1', 'type b\r']);
    assert.deepEqual(steps(['--type-after', '0'], ['--type-serial', 'a'], ['--type-after', '1'], ['--type-serial', 'b']), [
      'serial 0',
      'type a\r',
      'serial 1',
      'type b\r',
    ]);
  });

  it('errors say which option is wrong', () => {
    for (const [option, text, message] of [
      ['--click', '10', /--click: '10' is no X,Y/],
      ['--click', '1,2,wheel', /is no X,Y and no X,Y,left/],
      ['--type-after', '>', /there is no --type-serial beside it/],
      ['--until-screen', '', /there is no text to wait for/],
      ['--until-screen', '/nowhere/x.png', /--until-screen '\/nowhere\/x.png': ENOENT/],
      ['--until-screen', 'x.png,z=1', /'z' is none of x, y, tolerance, percent/],
      ['--until-screen', 'x.png,x=1', /x and y belong together/],
      ['--until-screen', 'x.png,percent=100', /percent one below 100/],
      ['--until-screen', 'x.png,tolerance=1.2.3', /tolerance is a number/],
      ['--send-keys', '<nokey>', /there is no key <nokey>/],
    ] as const)
      assert.throws(() => stepsOf([[option, text]]), { blame: 'user', message }, `${option} ${text}`);
  });

  it('an image with its place and tolerance; a text that only looks like it', () => {
    const folder = mkdtempSync(join(tmpdir(), 'guest-steps-'));
    try {
      const file = join(folder, 'a.png');
      writeFileSync(file, PNG.sync.write(new PNG({ width: 3, height: 2 })));
      const image = { width: 3, height: 2, rgba: new Uint8Array(24) };
      assert.deepEqual(parseScreenCondition('x', file), { kind: 'image', image, tolerance: 16, percent: 1 });
      assert.deepEqual(parseScreenCondition('x', `${file},x=4,y=5,tolerance=0,percent=2.5`), {
        kind: 'image',
        image,
        at: { x: 4, y: 5 },
        tolerance: 0,
        percent: 2.5,
      });
      assert.deepEqual(parseScreenCondition('x', 'see a.png now'), { kind: 'text', text: 'see a.png now' });
      writeFileSync(file, 'no picture');
      assert.throws(() => parseScreenCondition('x', file), { blame: 'user' });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
