/** Keys of the Keyboard page (HID Usage Tables 1.12, section 10), by their names in KeyboardEvent `code` values. */

const row = (first: number, ...names: readonly string[]): [string, number][] => names.map((name, i) => [name, first + i]);

// prettier-ignore
export const USAGES: ReadonlyMap<string, number> = new Map([
  ...row(0x04, 'KeyA', 'KeyB', 'KeyC', 'KeyD', 'KeyE', 'KeyF', 'KeyG', 'KeyH', 'KeyI', 'KeyJ', 'KeyK', 'KeyL', 'KeyM',
    'KeyN', 'KeyO', 'KeyP', 'KeyQ', 'KeyR', 'KeyS', 'KeyT', 'KeyU', 'KeyV', 'KeyW', 'KeyX', 'KeyY', 'KeyZ'),
  ...row(0x1e, 'Digit1', 'Digit2', 'Digit3', 'Digit4', 'Digit5', 'Digit6', 'Digit7', 'Digit8', 'Digit9', 'Digit0'),
  ...row(0x28, 'Enter', 'Escape', 'Backspace', 'Tab', 'Space', 'Minus', 'Equal', 'BracketLeft', 'BracketRight', 'Backslash'),
  ...row(0x33, 'Semicolon', 'Quote', 'Backquote', 'Comma', 'Period', 'Slash', 'CapsLock'),
  ...row(0x3a, 'F1', 'F2', 'F3', 'F4', 'F5', 'F6', 'F7', 'F8', 'F9', 'F10', 'F11', 'F12'),
  ...row(0x46, 'PrintScreen', 'ScrollLock', 'Pause', 'Insert', 'Home', 'PageUp', 'Delete', 'End', 'PageDown'),
  ...row(0x4f, 'ArrowRight', 'ArrowLeft', 'ArrowDown', 'ArrowUp'),
  ...row(0x53, 'NumLock', 'NumpadDivide', 'NumpadMultiply', 'NumpadSubtract', 'NumpadAdd', 'NumpadEnter'),
  ...row(0x59, 'Numpad1', 'Numpad2', 'Numpad3', 'Numpad4', 'Numpad5', 'Numpad6', 'Numpad7', 'Numpad8', 'Numpad9', 'Numpad0', 'NumpadDecimal'),
  ...row(0x64, 'IntlBackslash', 'ContextMenu'),
  ...row(0x67, 'NumpadEqual', 'F13', 'F14', 'F15', 'F16', 'F17', 'F18', 'F19', 'F20', 'F21', 'F22', 'F23', 'F24'),
  ...row(0x7f, 'AudioVolumeMute', 'AudioVolumeUp', 'AudioVolumeDown'),
  ...row(0x85, 'NumpadComma'),
  ...row(0x87, 'IntlRo', 'KanaMode', 'IntlYen', 'Convert', 'NonConvert'),
  ...row(0xe0, 'ControlLeft', 'ShiftLeft', 'AltLeft', 'MetaLeft', 'ControlRight', 'ShiftRight', 'AltRight', 'MetaRight'),
]);
