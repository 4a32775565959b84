import assert from 'node:assert/strict';
import { PNG } from 'pngjs';
import { Recorder } from '../../../media/display/recorder';

/** A screen of one pixel, a clock that is set by hand, and a recorder that looks by itself. */
function recording(running: boolean, most = { frames: 1000, bytes: 1e6 }) {
  const screen = { shade: 1 };
  const clock = { now: 1000 };
  let looks = 0;
  let full = false;
  const recorder = new Recorder(
    {
      picture: () => {
        looks++;
        return { width: 1, height: 1, data: Uint8Array.of(screen.shade, 0, 0, 255) };
      },
      now: () => clock.now,
      progress: () => undefined,
      full: () => void (full = true),
      most,
    },
    running,
  );
  const settled = async (looked: number): Promise<void> => {
    for (let turn = 0; looks < looked && turn < 100; turn++) await new Promise((resolve) => setTimeout(resolve, 20));
    assert.ok(looks >= looked);
    await new Promise((resolve) => setTimeout(resolve, 20));
  };
  return { screen, clock, recorder, settled, looks: () => looks, full: () => full };
}

describe('recorder', () => {
  it('looks only where something may have changed', async () => {
    const { recorder, settled, looks, screen, clock } = recording(true);
    await settled(2);
    await new Promise((resolve) => setTimeout(resolve, 300));
    assert.equal(looks(), 2);
    [screen.shade, clock.now] = [2, 1700];
    recorder.dirty();
    await settled(4);
    clock.now = 2000;
    const file = await recorder.stop();
    assert.deepEqual([recorder.frames, recorder.duration], [2, 1000]);
    assert.equal(PNG.sync.read(Buffer.from(file!)).data[0], 2);
  });

  it('lets no time pass while the guest stands still, but shows what comes then', async () => {
    const { recorder, settled, screen, clock } = recording(true);
    await settled(2);
    clock.now += 300;
    recorder.setRunning(false);
    clock.now += 60_000;
    for (const shade of [2, 3]) {
      screen.shade = shade;
      recorder.dirty();
      await settled(2 * shade);
    }
    recorder.setRunning(true);
    clock.now += 200;
    await recorder.stop();
    assert.deepEqual([recorder.frames, recorder.duration], [3, 300 + 2 * 500 + 200]);
  });

  it('takes the last picture at its end', async () => {
    const { recorder, settled, screen } = recording(true);
    await settled(2);
    screen.shade = 7;
    recorder.dirty();
    assert.equal(PNG.sync.read(Buffer.from((await recorder.stop())!)).data[0], 7);
  });

  it('says when it may not grow', async () => {
    for (const most of [
      { frames: 2, bytes: 1e6 },
      { frames: 1000, bytes: 20 },
    ]) {
      const { recorder, settled, screen, full } = recording(true, most);
      await settled(2);
      assert.equal(full(), false, `${recorder.frames} pictures, ${recorder.bytes} bytes`);
      screen.shade = 2;
      recorder.dirty();
      await settled(4);
      assert.equal(full(), true, `${recorder.frames} pictures, ${recorder.bytes} bytes`);
      await recorder.stop();
    }
  });

  it('is no file where there was no picture', async () => {
    const recorder = new Recorder({ picture: () => undefined, now: () => 0, progress: () => undefined, full: () => undefined }, true);
    assert.equal(await recorder.stop(), undefined);
  });
});
