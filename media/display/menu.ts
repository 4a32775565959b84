/** A button that opens a menu of chords. */
import { button, make } from '../dom';
import type { Chord } from './chords';

export function chordMenu(opener: HTMLButtonElement, groups: readonly (readonly Chord[])[], chosen: (chord: Chord) => void): HTMLElement {
  const menu = make('div', { id: 'menu', role: 'menu', 'aria-label': 'Keys to send' });
  menu.hidden = true;
  const shut = (): void => {
    menu.hidden = true;
    opener.setAttribute('aria-expanded', 'false');
  };
  groups.forEach((group, i) => {
    if (i > 0) menu.append(make('div', { class: 'separator', role: 'separator' }));
    for (const chord of group) {
      const item = button(chord.name, () => {
        shut();
        chosen(chord);
      });
      item.setAttribute('role', 'menuitem');
      item.tabIndex = -1;
      menu.append(item);
    }
  });
  const items = [...menu.querySelectorAll('button')];
  opener.setAttribute('aria-haspopup', 'menu');
  opener.setAttribute('aria-expanded', 'false');
  opener.addEventListener('click', () => {
    if (!menu.hidden) return shut();
    menu.hidden = false;
    opener.setAttribute('aria-expanded', 'true');
    const { left, bottom } = opener.getBoundingClientRect();
    menu.style.left = `${Math.max(4, Math.min(left, window.innerWidth - menu.offsetWidth - 4))}px`;
    menu.style.top = `${bottom + 2}px`;
    items[0]!.focus();
  });
  menu.addEventListener('keydown', (event) => {
    const at = items.indexOf(document.activeElement as HTMLButtonElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 }[event.key];
    if (event.key === 'Escape') {
      shut();
      opener.focus();
    } else if (to !== undefined) items.at(to % items.length)!.focus();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  document.addEventListener('pointerdown', ({ target }) => {
    if (!menu.contains(target as Node) && !opener.contains(target as Node)) shut();
  });
  window.addEventListener('blur', shut);
  return menu;
}
