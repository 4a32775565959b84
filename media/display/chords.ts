/** Keys that an editor, a browser or the desktop keeps for itself, to be sent from a menu; named by KeyboardEvent.code. */
export interface Chord {
  readonly name: string;
  readonly codes: readonly string[];
}

const control = (name: string, code: string): Chord => ({ name: `Ctrl-Alt-${name}`, codes: ['ControlLeft', 'AltLeft', code] });
/** Linux's "magic" keys: Documentation/admin-guide/sysrq.rst. */
const sysRq = (letter: string, about: string): Chord => ({
  name: `SysRq ${letter} · ${about}`,
  codes: ['AltLeft', 'PrintScreen', `Key${letter}`],
});

export const CTRL_ALT_DEL = control('Del', 'Delete');

export const CHORDS: readonly (readonly Chord[])[] = [
  [CTRL_ALT_DEL, control('Backspace', 'Backspace'), { name: 'Ctrl-Alt-G', codes: ['ControlLeft', 'AltLeft', 'KeyG'] }],
  Array.from({ length: 8 }, (_, i) => control(`F${i + 1}`, `F${i + 1}`)),
  [
    { name: 'Escape', codes: ['Escape'] },
    { name: 'Tab', codes: ['Tab'] },
    { name: 'Alt-Tab', codes: ['AltLeft', 'Tab'] },
    { name: 'Alt-F4', codes: ['AltLeft', 'F4'] },
    { name: 'F11', codes: ['F11'] },
    { name: 'Super', codes: ['MetaLeft'] },
    { name: 'Menu', codes: ['ContextMenu'] },
    { name: 'Print Screen', codes: ['PrintScreen'] },
    { name: 'Pause', codes: ['Pause'] },
    { name: 'Power button', codes: ['Power'] },
  ],
  [
    sysRq('H', 'help'),
    sysRq('R', 'raw keyboard off'),
    sysRq('E', 'terminate all'),
    sysRq('I', 'kill all'),
    sysRq('S', 'sync disks'),
    sysRq('U', 'disks read-only'),
    sysRq('B', 'reboot'),
    sysRq('C', 'crash'),
    sysRq('M', 'memory'),
    sysRq('T', 'tasks'),
    sysRq('W', 'blocked tasks'),
    sysRq('K', 'secure attention'),
  ],
];
