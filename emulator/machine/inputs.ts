import { userError } from '../errors';
import { VIRTIO_CONSOLE } from './api';
import { setDevice, setVcpu } from './inspect';
import type { Input } from './journal';
import type { Machine } from './machine';
import type { Board } from './wiring';

/** Carries out an input. The same at the first time and at every replay. */
export function applyInput(machine: Machine, input: Input): void {
  const { board, engine } = machine;
  switch (input.kind) {
    case 'serial':
      (input.port === VIRTIO_CONSOLE ? board.virtioConsole : board.serial[input.port])?.receive(input.bytes);
      return;
    case 'key':
      // The power button is no key of the keyboard: ACPI has it.
      if (input.code !== 'Power') key(board, input.code, input.down);
      else if (input.down) board.acpi.pressPowerButton();
      return;
    case 'pointer':
      return pointer(board, input);
    case 'network':
      board.network?.user.hear(input.news);
      return;
    case 'entropy':
      board.entropy?.receive(input.bytes);
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

/**
 * A guest may listen to both keyboards: keys go to one, that on USB if its driver asks it for reports. They come up
 * wherever they are down, so that none stays down where another keyboard has taken over.
 */
function key(board: Board, code: string, down: boolean): void {
  const { keyboard, usb } = board;
  if (!down) {
    usb?.release(code);
    keyboard.key(code, false);
  } else if (!usb?.keys) keyboard.key(code, true);
  else usb.keys.key(code, true);
}

/** The pointer goes to the tablet while the guest drives it: there it is where the host's is. Else to the mouse, which moves. */
function pointer(board: Board, input: Extract<Input, { kind: 'pointer' }>): void {
  const { mouse, usb } = board;
  const { x, y } = input;
  const tablet = x === undefined || y === undefined ? undefined : usb?.pointer;
  if (!tablet || x === undefined || y === undefined) return mouse.input(input);
  if (mouse.state.buttons !== 0) mouse.input({ dx: 0, dy: 0, buttons: 0 });
  tablet.input({ x, y, wheel: input.wheel, buttons: input.buttons });
}

function deviceNamed(machine: Machine, name: string | undefined): Machine['devices'][number] {
  const device = machine.devices.find((candidate) => candidate.name === name);
  if (!device) throw userError('no-device', `there is no device '${name ?? ''}'`);
  return device;
}
