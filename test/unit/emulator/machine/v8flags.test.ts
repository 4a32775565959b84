import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { flagsFor } from '../../../../emulator/machine/v8flags';

const names = (version: string): string[] => flagsFor(version).map((flag) => flag.split('=')[0]!);
const WASM = ['--experimental-wasm-branch-hinting', '--no-wasm-stack-checks'];

describe("V8's flags", () => {
  it('are known to this V8', () => {
    // In a process of its own: the flags are the process's.
    const { status, stderr } = spawnSync(process.execPath, [...flagsFor(process.versions.v8), '-e', '0'], { encoding: 'utf8' });
    assert.deepEqual([status, stderr], [0, '']);
  });

  it('for compiled code are set in versions that are known to have them, and in no others', () => {
    for (const version of ['11.3.244.8-node.38', '12.4.254', '14.0.1'])
      assert.deepEqual(
        names(version).filter((name) => WASM.includes(name)),
        WASM,
        version,
      );
    for (const version of ['10.9.194', '15.0.1', '110.1', 'unknown', ''])
      assert.deepEqual(
        names(version).filter((name) => WASM.includes(name)),
        [],
        version,
      );
  });

  it("for the optimizing compiler's habits are those of V8 11 alone", () => {
    assert.ok(names('11.3.244.8').includes('--interrupt-budget'));
    for (const version of ['12.4.254', 'unknown']) assert.ok(!names(version).includes('--interrupt-budget'), version);
  });
});
