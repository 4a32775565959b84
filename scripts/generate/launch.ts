/** Texts that hold the launch attributes, brought up to date with their one definition. */
import { launchSchema, launchTable } from '../../adapter/launch/schema';

interface Manifest {
  contributes: { debuggers: { configurationAttributes: { launch: unknown } }[] };
}

/** package.json with the schema of launch configurations. */
export function generatedManifest(text: string): string {
  const manifest = JSON.parse(text) as Manifest;
  for (const { configurationAttributes } of manifest.contributes.debuggers) configurationAttributes.launch = launchSchema();
  return `${JSON.stringify(manifest, null, 2)}\n`;
}

const BEGIN = '<!-- launch attributes: npm run generate -->';
const END = '<!-- end of launch attributes -->';

/** The README with the table of launch attributes between its two marks. */
export function generatedReadme(text: string): string {
  const [from, to] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (from < 0 || to < from) throw new Error('README.md has lost the marks around the table of launch attributes');
  return `${text.slice(0, from + BEGIN.length)}\n${launchTable()}\n${text.slice(to)}`;
}
