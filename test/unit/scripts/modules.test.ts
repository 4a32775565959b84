import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { modulesArchive } from '../../../scripts/guests/modules';

describe('modules archive', () => {
  it('holds modules behind what they need, each once', () => {
    const folder = mkdtempSync(join(tmpdir(), 'modules-'));
    try {
      const module = (path: string, depends: string): void => writeFileSync(join(folder, path), `ELF\0license=GPL\0depends=${depends}\0name=x\0`);
      mkdirSync(join(folder, 'drivers/block'), { recursive: true });
      module('drivers/block/disk.ko', 'bus-core,ring,builtin');
      module('drivers/bus_core.ko', 'ring');
      module('drivers/ring.ko', '');
      module('drivers/unwanted.ko', '');
      const text = gunzipSync(modulesArchive(folder, ['disk', 'ring', 'absent'])).toString('latin1');
      assert.ok(text.includes('ring\nbus_core\ndisk\n'), 'the order of loading');
      for (const name of ['ring', 'bus_core', 'disk']) assert.equal(text.split(`lib/modules/${name}.ko`).length, 2, name);
      assert.ok(!text.includes('unwanted'));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
