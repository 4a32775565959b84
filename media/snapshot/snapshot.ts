/** A snapshot, or what differs between two, in a webview. */
import type { FromSnapshot, ToSnapshot } from '../../adapter/protocol/snapshot';
import { sectionsOf, table } from './contents';
import { differencesOf } from './differences';
import { button, make, pictures, section } from '../dom';

declare function acquireVsCodeApi(): { postMessage(message: FromSnapshot): void };

const host = acquireVsCodeApi();
const send = (message: FromSnapshot): void => host.postMessage(message);
const main = document.getElementById('main')!;
const dump = make('pre', { id: 'dump' });
const screen = section('Screen', true);
const map = section('Address map', false);
const shown = new Map<'before' | 'after', string>();
let names: { readonly before: string | undefined; readonly after: string } = { before: undefined, after: '' };

/** Rows without the text are hidden, and parts in which there is none. */
function filter(wanted: string): void {
  const text = wanted.toLowerCase();
  for (const part of main.querySelectorAll('section')) {
    let found = 0;
    const title = part.querySelector('summary')?.textContent.toLowerCase().includes(text) ?? false;
    for (const row of part.querySelectorAll('tr')) {
      row.hidden = !(text === '' || title || row.textContent.toLowerCase().includes(text));
      if (!row.hidden) found++;
    }
    part.hidden = text !== '' && !title && found === 0;
    if (text !== '' && !part.hidden) for (const shut of part.querySelectorAll('details')) shut.open = true;
  }
}

function header(title: string, ...buttons: readonly HTMLElement[]): HTMLElement {
  const search = make('input', { type: 'search', placeholder: 'Filter fields', 'aria-label': 'Filter fields' });
  search.addEventListener('input', () => filter(search.value));
  return make('header', {}, make('h1', {}, title), search, ...buttons);
}

/** Bytes at an address that is typed in. */
function memory(): HTMLElement {
  const address = make('input', { type: 'text', placeholder: '0x100000', 'aria-label': 'Address', size: '20' });
  const linear = make('input', { type: 'checkbox', id: 'linear' });
  const form = make('form', {}, address, ' ', linear, make('label', { for: 'linear' }, 'linear '), make('button', { type: 'submit' }, 'Show'));
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    if (address.value.trim() !== '') send({ kind: 'memory', address: address.value.trim(), linear: linear.checked });
  });
  return make('div', {}, form, dump);
}

function show(...children: readonly HTMLElement[]): void {
  main.replaceChildren(...children);
  main.setAttribute('aria-busy', 'false');
}

function showPictures(): void {
  const { before, after } = names;
  const sides = [...(before === undefined ? [] : [[before, shown.get('before')] as const]), [after, shown.get('after')] as const];
  screen.querySelector('.pictures')?.remove();
  screen.querySelector('details')?.append(pictures(...sides));
  screen.hidden = shown.size === 0;
}

window.addEventListener('message', ({ data }: MessageEvent<ToSnapshot>) => {
  switch (data.kind) {
    case 'contents':
      names = { before: undefined, after: data.name };
      show(
        header(data.name, button('Resume', () => send({ kind: 'resume' })), button('Compare with…', () => send({ kind: 'compare' }))),
        ...sectionsOf(data.contents, screen, map, memory()),
      ); // prettier-ignore
      return showPictures();
    case 'differences': {
      const { before, after, differences } = data;
      names = { before, after };
      const count = differences.length === 0 ? 'the same moment' : `${differences.length} differences`;
      show(header(`${before} ↔ ${after}: ${count}`), screen, ...differencesOf(differences, before, after));
      return showPictures();
    }
    case 'picture':
      shown.set(data.side, data.png);
      return showPictures();
    case 'map': {
      const rows = data.regions.map(({ space, first, last, owner }) => [space === 'port' ? 'I/O port' : 'memory', first, last, owner]);
      map.querySelector('details')?.append(table(['Space', 'First', 'Last', 'Owner'], rows));
      return;
    }
    case 'memory':
      dump.className = '';
      dump.textContent = data.text;
      return;
    case 'problem':
      if (data.of === 'memory') {
        dump.className = 'problem';
        dump.textContent = data.text;
        return;
      }
      if (data.of === 'map') return map.querySelector('details')?.append(make('p', { class: 'problem' }, data.text));
      return show(make('p', { class: 'problem', role: 'alert' }, data.text));
  }
});
send({ kind: 'ready' });
