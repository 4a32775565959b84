/**
 * Keys by their XT codes (scan code set 1, with 0x80 for the prefix E0), as the QEMU extended key event has them; the
 * names are those of KeyboardEvent.code. They tell the key itself, whatever the layout of the client's keyboard is.
 */

// prettier-ignore
const ROWS: readonly (readonly [first: number, codes: readonly string[]])[] = [
  [0x01, ['Escape', 'Digit1', 'Digit2', 'Digit3', 'Digit4', 'Digit5', 'Digit6', 'Digit7', 'Digit8', 'Digit9', 'Digit0', 'Minus', 'Equal', 'Backspace']],
  [0x0f, ['Tab', 'KeyQ', 'KeyW', 'KeyE', 'KeyR', 'KeyT', 'KeyY', 'KeyU', 'KeyI', 'KeyO', 'KeyP', 'BracketLeft', 'BracketRight', 'Enter']],
  [0x1d, ['ControlLeft', 'KeyA', 'KeyS', 'KeyD', 'KeyF', 'KeyG', 'KeyH', 'KeyJ', 'KeyK', 'KeyL', 'Semicolon', 'Quote', 'Backquote']],
  [0x2a, ['ShiftLeft', 'Backslash', 'KeyZ', 'KeyX', 'KeyC', 'KeyV', 'KeyB', 'KeyN', 'KeyM', 'Comma', 'Period', 'Slash', 'ShiftRight']],
  [0x37, ['NumpadMultiply', 'AltLeft', 'Space', 'CapsLock', 'F1', 'F2', 'F3', 'F4', 'F5', 'F6', 'F7', 'F8', 'F9', 'F10', 'NumLock', 'ScrollLock']],
  [0x47, ['Numpad7', 'Numpad8', 'Numpad9', 'NumpadSubtract', 'Numpad4', 'Numpad5', 'Numpad6', 'NumpadAdd']],
  [0x4f, ['Numpad1', 'Numpad2', 'Numpad3', 'Numpad0', 'NumpadDecimal', 'PrintScreen']],
  [0x56, ['IntlBackslash', 'F11', 'F12', 'NumpadEqual']],
  [0x64, ['F13', 'F14', 'F15', 'F16', 'F17', 'F18', 'F19', 'F20', 'F21', 'F22', 'F23']],
  [0x70, ['KanaMode']], [0x71, ['Lang2']], [0x72, ['Lang1']], [0x73, ['IntlRo']], [0x76, ['F24']],
  [0x79, ['Convert']], [0x7b, ['NonConvert']], [0x7d, ['IntlYen']], [0x7e, ['NumpadComma']],
  // Behind E0.
  [0x90, ['MediaTrackPrevious']], [0x99, ['MediaTrackNext']], [0x9c, ['NumpadEnter', 'ControlRight']],
  [0xa0, ['AudioVolumeMute', 'LaunchApp2', 'MediaPlayPause']], [0xa4, ['MediaStop']], [0xae, ['AudioVolumeDown']],
  [0xb0, ['AudioVolumeUp']], [0xb2, ['BrowserHome']], [0xb5, ['NumpadDivide']], [0xb7, ['PrintScreen', 'AltRight']],
  [0xc5, ['NumLock', 'Pause', 'Home', 'ArrowUp', 'PageUp']], [0xcb, ['ArrowLeft']], [0xcd, ['ArrowRight']],
  [0xcf, ['End', 'ArrowDown', 'PageDown', 'Insert', 'Delete']], [0xdb, ['MetaLeft', 'MetaRight', 'ContextMenu', 'Power', 'Sleep']],
  [0xe3, ['WakeUp']],
  [0xe5, ['BrowserSearch', 'BrowserFavorites', 'BrowserRefresh', 'BrowserStop', 'BrowserForward', 'BrowserBack', 'LaunchApp1', 'LaunchMail', 'MediaSelect']],
];

const CODES: ReadonlyMap<number, string> = new Map(ROWS.flatMap(([first, codes]) => codes.map((code, index) => [first + index, code] as const)));

/** `xt` as the client sends it: one byte, or E0xx as some do. */
export function xtToCode(xt: number): string | undefined {
  return CODES.get(xt >>> 8 === 0xe0 ? (xt & 0x7f) | 0x80 : xt);
}
