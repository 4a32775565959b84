import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import Ajv from 'ajv';
import { generatedManifest, generatedReadme } from '../../../scripts/generate/launch';

const ROOT = join(__dirname, '../../..');
const text = (file: string): string => readFileSync(join(ROOT, file), 'utf8');
const manifest = JSON.parse(text('package.json')) as {
  contributes: {
    commands: { command: string }[];
    menus: Record<string, { command: string }[]>;
    views: Record<string, { id: string }[]>;
    debuggers: { type: string; configurationAttributes: { launch: object }; initialConfigurations: object[] }[];
  };
};
const sources = readdirSync(join(ROOT, 'extension'))
  .map((name) => text(`extension/${name}`))
  .join('\n');

describe('package.json', () => {
  it('has the launch attributes of their definition', () => assert.equal(generatedManifest(text('package.json')), text('package.json')));
  it('so has the README', () => assert.equal(generatedReadme(text('README.md')), text('README.md')));

  it('every command is registered, and every registered command is contributed', () => {
    const registered = [...sources.matchAll(/command\(\s*'(\w+)'|registerCommand\(\s*'guestDebug\.(\w+)'/g)].map(([, a, b]) => `guestDebug.${a ?? b}`).sort();
    assert.deepEqual(manifest.contributes.commands.map(({ command }) => command).sort(), registered);
  });

  it('menus name commands that exist', () => {
    const commands = new Set(manifest.contributes.commands.map(({ command }) => command));
    for (const { command } of Object.values(manifest.contributes.menus).flat()) assert.ok(commands.has(command), command);
  });

  it('views are provided by the extension', () => {
    for (const { id } of Object.values(manifest.contributes.views).flat()) assert.ok(sources.includes(`'${id}'`), id);
  });

  it("the schema accepts the samples' launch configurations and refuses wrong ones", () => {
    const [debuggerContribution] = manifest.contributes.debuggers;
    const validate = new Ajv({ strict: false, allowUnionTypes: true }).compile({ type: 'object', ...debuggerContribution!.configurationAttributes.launch });
    const { configurations } = JSON.parse(text('samples/.vscode/launch.json')) as { configurations: object[] };
    for (const configuration of [...configurations, ...debuggerContribution!.initialConfigurations])
      assert.ok(validate(configuration), JSON.stringify(validate.errors));
    assert.equal(validate({ program: 'kernel', cpus: 'two' }), false);
    assert.equal(validate({ program: 'kernel', memory: 'much' }), false);
  });
});
