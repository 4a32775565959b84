import { userError } from '../errors';
import { VIRTIO_CONSOLE } from './api';
import { setDevice, setVcpu } from './inspect';
import type { Input } from './journal';
import type { Machine } from './machine';

/** Carries out an input. The same at the first time and at every replay. */
export function applyInput(machine: Machine, input: Input): void {
  const { board, engine } = machine;
  switch (input.kind) {
    case 'serial':
      (input.port === VIRTIO_CONSOLE ? board.virtioConsole : board.serial[input.port])?.receive(input.bytes);
      return;
    case 'key':
      // The power button is no key of the keyboard: ACPI has it.
      if (input.code !== 'Power') board.keyboard.key(input.code, input.down);
      else if (input.down) board.acpi.pressPowerButton();
      return;
    case 'pointer':
      board.mouse.input(input);
      return;
    case 'reset':
      machine.reset();
      return;
    case 'vcpu':
      setVcpu(machine, input.vcpu, input.path, input.value);
      engine.flush();
      return;
    case 'device':
      setDevice(deviceNamed(machine, input.path[0]), input.path.slice(1), input.value);
      return;
    case 'memory':
      engine.physicalWrite(input.address, input.bytes);
  }
}

function deviceNamed(machine: Machine, name: string | undefined): Machine['devices'][number] {
  const device = machine.devices.find((candidate) => candidate.name === name);
  if (!device) throw userError('no-device', `there is no device '${name ?? ''}'`);
  return device;
}
