import assert from 'node:assert/strict';
import type { MachineConfig, Stop } from '../../emulator/machine/api';
import type { LocalGuest } from '../../emulator/machine/local';
import { openGuest } from '../../emulator/machine/open';

/** A guest in this thread that is typed to. */
export class Shell {
  text = '';
  private constructor(readonly guest: LocalGuest) {
    guest.on((event) => {
      if (event.event === 'serial' && event.port === 0) this.text += Buffer.from(event.bytes).toString('latin1');
    });
  }

  static async open(config: MachineConfig | undefined, snapshot?: string): Promise<Shell> {
    return new Shell((await openGuest(config, snapshot === undefined ? {} : { snapshot })) as LocalGuest);
  }

  stopped(): Promise<Stop> {
    return new Promise((resolve) => {
      const off = this.guest.on((event) => {
        if (event.event !== 'stopped') return;
        off();
        resolve(event.stop);
      });
    });
  }
  async move(start: () => Promise<void>): Promise<Stop> {
    const stop = this.stopped();
    await start();
    return stop;
  }
  /** Until the guest has said something; what it has said since the last time. */
  async until(text: string, seconds = 120): Promise<string> {
    const from = this.text.length;
    const timer = setTimeout(() => void this.guest.pause(), seconds * 1000);
    const stop = await this.move(() => this.guest.resume({ serial: [text], unattended: true }));
    clearTimeout(timer);
    const said = this.text.slice(from);
    assert.equal(stop.reason.kind, 'limit', `${JSON.stringify(stop.reason)} instead of '${text}' after: ${said.slice(-1500)}`);
    return said;
  }
  type(text: string): Promise<void> {
    return this.guest.serialInput(0, Buffer.from(`${text}\n`));
  }
  /** A command, and all that it says. */
  async run(command: string, seconds?: number): Promise<string> {
    await this.type(`${command}; echo DO""NE`);
    return this.until('DONE\r\n', seconds);
  }
}
