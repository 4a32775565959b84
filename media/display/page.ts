/** What the panel is made of: a toolbar, the screen, and a line that says how things are. */
import { make } from '../dom';
import { icon, type Icon } from '../icons';
import { SCALES, scaleName } from './scale';

function tool(id: string, title: string, ...content: readonly (Icon | { readonly text: string })[]): HTMLButtonElement {
  const element = make('button', { id, type: 'button', title });
  for (const part of content) element.append(typeof part === 'string' ? icon(part) : part.text);
  if (content.every((part) => typeof part === 'string')) element.setAttribute('aria-label', title);
  return element;
}

const group = (...elements: readonly HTMLElement[]): HTMLElement => make('div', { class: 'group' }, ...elements);

export function makePage() {
  const keyboard = tool('keyboard', 'Type into the guest (Ctrl+Alt+G ends it)', 'keyboard');
  const mouse = tool('mouse', 'Hold the mouse on a click into the screen, for guests without a tablet (Esc or Ctrl+Alt+G ends it)', 'mouse');
  const ctrlAltDel = tool('ctrl-alt-del', 'Send Ctrl-Alt-Del', { text: 'Ctrl-Alt-Del' });
  const keys = tool('keys', 'Send other keys', { text: 'Keys' }, 'chevron');
  const paste = tool('paste', 'Type the text of the clipboard into the guest', 'paste');
  const copy = tool('copy', 'Copy the text of the screen', 'copy');
  const scale = make('select', { id: 'scale', title: 'Scale', 'aria-label': 'Scale' });
  for (const each of SCALES) scale.append(make('option', { value: String(each) }, scaleName(each)));
  const screenshot = tool('screenshot', 'Save a screenshot', 'camera');
  const record = tool('record', 'Record the screen', 'record', 'stop');
  const fullScreen = tool('full-screen', 'Full screen', 'expand');
  const toolbar = make(
    'div',
    { id: 'toolbar', role: 'toolbar', 'aria-label': 'Display' },
    group(keyboard, mouse, ctrlAltDel, keys),
    group(paste, copy),
    make('span', { class: 'space' }),
    group(scale),
    group(screenshot, record, fullScreen),
  );
  const stage = make('div', { id: 'stage' });
  const empty = make('div', { id: 'empty' });
  const status = make('span', { id: 'status', role: 'status' });
  const captured = make('span', { id: 'captured', class: 'badge', role: 'status' });
  const recording = make('span', { id: 'recording', class: 'badge' });
  const note = make('span', { id: 'note', role: 'alert' });
  const light = make('span', { id: 'light', 'aria-hidden': 'true' });
  const viewport = make('main', { id: 'viewport' }, stage, empty);
  const bar = make('footer', { id: 'bar' }, light, status, recording, note, make('span', { class: 'space' }), captured);
  document.body.append(toolbar, viewport, bar);

  toolbar.addEventListener('keydown', (event) => {
    const tools = [...toolbar.querySelectorAll<HTMLElement>('button:enabled, select')];
    const at = tools.indexOf(document.activeElement as HTMLElement);
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (at < 0 || step === undefined || document.activeElement === scale) return;
    tools[(at + step + tools.length) % tools.length]!.focus();
    event.preventDefault();
  });
  return { stage, viewport, empty, status, captured, recording, note, light, keyboard, mouse, ctrlAltDel, keys, paste, copy, scale, screenshot, record, fullScreen }; // prettier-ignore
}
