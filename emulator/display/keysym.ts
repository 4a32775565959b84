/**
 * X11 keysyms, as RFB clients send them, to the key that types them on a US keyboard, named by
 * KeyboardEvent.code. X11/keysymdef.h and X11/XF86keysym.h.
 */

/** Both characters of the keys that have two, in ASCII: Latin-1 keysyms are the characters' codes. */
// prettier-ignore
const PRINTABLE: Readonly<Record<string, string>> = {
  Backquote: '`~', Digit1: '1!', Digit2: '2@', Digit3: '3#', Digit4: '4$', Digit5: '5%', Digit6: '6^',
  Digit7: '7&', Digit8: '8*', Digit9: '9(', Digit0: '0)', Minus: '-_', Equal: '=+',
  BracketLeft: '[{', BracketRight: ']}', Backslash: '\\|', Semicolon: ';:', Quote: '\'"',
  Comma: ',<', Period: '.>', Slash: '/?', Space: ' ',
};

// prettier-ignore
const NAMED: readonly (readonly [keysym: number, code: string])[] = [
  [0xff08, 'Backspace'], [0xff09, 'Tab'], [0xfe20, 'Tab'], [0xff0d, 'Enter'], [0xff0a, 'Enter'],
  [0xff13, 'Pause'], [0xff6b, 'Pause'], [0xff14, 'ScrollLock'], [0xff15, 'PrintScreen'], [0xff61, 'PrintScreen'],
  [0xff1b, 'Escape'], [0xffff, 'Delete'], [0xff50, 'Home'], [0xff51, 'ArrowLeft'], [0xff52, 'ArrowUp'],
  [0xff53, 'ArrowRight'], [0xff54, 'ArrowDown'], [0xff55, 'PageUp'], [0xff56, 'PageDown'], [0xff57, 'End'],
  [0xff63, 'Insert'], [0xff67, 'ContextMenu'], [0xff7f, 'NumLock'],
  [0xff80, 'Space'], [0xff89, 'Tab'], [0xff8d, 'NumpadEnter'],
  [0xff95, 'Numpad7'], [0xff96, 'Numpad4'], [0xff97, 'Numpad8'], [0xff98, 'Numpad6'], [0xff99, 'Numpad2'],
  [0xff9a, 'Numpad9'], [0xff9b, 'Numpad3'], [0xff9c, 'Numpad1'], [0xff9d, 'Numpad5'], [0xff9e, 'Numpad0'],
  [0xff9f, 'NumpadDecimal'], [0xffbd, 'NumpadEqual'], [0xffaa, 'NumpadMultiply'], [0xffab, 'NumpadAdd'],
  [0xffac, 'NumpadComma'], [0xffad, 'NumpadSubtract'], [0xffae, 'NumpadDecimal'], [0xffaf, 'NumpadDivide'],
  [0xffe1, 'ShiftLeft'], [0xffe2, 'ShiftRight'], [0xffe3, 'ControlLeft'], [0xffe4, 'ControlRight'],
  [0xffe5, 'CapsLock'], [0xffe6, 'CapsLock'], [0xffe7, 'MetaLeft'], [0xffe8, 'MetaRight'],
  [0xffe9, 'AltLeft'], [0xffea, 'AltRight'], [0xffeb, 'MetaLeft'], [0xffec, 'MetaRight'],
  [0xfe03, 'AltRight'], [0xff7e, 'AltRight'], [0xff21, 'Convert'], [0xff23, 'Convert'], [0xff22, 'NonConvert'],
  [0xff27, 'KanaMode'], [0x00a5, 'IntlYen'],
  [0x1008ff11, 'AudioVolumeDown'], [0x1008ff12, 'AudioVolumeMute'], [0x1008ff13, 'AudioVolumeUp'],
  [0x1008ff14, 'MediaPlayPause'], [0x1008ff15, 'MediaStop'], [0x1008ff16, 'MediaTrackPrevious'],
  [0x1008ff17, 'MediaTrackNext'], [0x1008ff18, 'BrowserHome'], [0x1008ff19, 'LaunchMail'],
  [0x1008ff1b, 'BrowserSearch'], [0x1008ff1d, 'LaunchApp2'], [0x1008ff26, 'BrowserBack'],
  [0x1008ff27, 'BrowserForward'], [0x1008ff28, 'BrowserStop'], [0x1008ff29, 'BrowserRefresh'],
  [0x1008ff2a, 'Power'], [0x1008ff2b, 'WakeUp'], [0x1008ff2f, 'Sleep'], [0x1008ff30, 'BrowserFavorites'],
  [0x1008ff32, 'MediaSelect'], [0x1008ff33, 'LaunchApp1'],
];

const CODES: ReadonlyMap<number, string> = new Map([
  ...NAMED,
  ...Object.entries(PRINTABLE).flatMap(([code, characters]) => [...characters].map((character) => [character.charCodeAt(0), code] as const)),
  ...Array.from({ length: 26 }, (_, i) => [0x41 + i, `Key${String.fromCharCode(0x41 + i)}`] as const),
  ...Array.from({ length: 26 }, (_, i) => [0x61 + i, `Key${String.fromCharCode(0x41 + i)}`] as const),
  ...Array.from({ length: 10 }, (_, i) => [0xffb0 + i, `Numpad${i}`] as const),
  ...Array.from({ length: 24 }, (_, i) => [0xffbe + i, `F${i + 1}`] as const),
]);

/** Unicode keysyms are 0x01000000 + the code point. */
export function keysymToCode(keysym: number): string | undefined {
  return CODES.get(keysym >= 0x01000020 && keysym <= 0x010000ff ? keysym - 0x01000000 : keysym);
}

/** Keys that are pressed together to type a character on a US keyboard; undefined where it has none. */
export function keysOf(character: string): readonly string[] | undefined {
  if (character === '\n') return ['Enter'];
  if (character === '\t') return ['Tab'];
  const code = /^[\x20-\x7e]$/.test(character) ? keysymToCode(character.charCodeAt(0)) : undefined;
  if (code === undefined) return undefined;
  return /[A-Z]/.test(character) || PRINTABLE[code]?.[1] === character ? ['ShiftLeft', code] : [code];
}
