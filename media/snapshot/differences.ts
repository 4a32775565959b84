/** What differs between two snapshots, side by side. */
import type { SnapshotDifference } from '../../adapter/protocol/snapshot';
import { make, section } from '../dom';
import { valueText } from './fields';

const MOST_ROWS = 5000;

export function differencesOf(differences: readonly SnapshotDifference[], before: string, after: string): readonly HTMLElement[] {
  const places = new Map<string, SnapshotDifference[]>();
  for (const difference of differences.slice(0, MOST_ROWS)) {
    // Chunks of a kind that only one has stand together.
    const place = difference.what === '' ? difference.where.split(' ')[0]! : difference.where;
    const rows = places.get(place);
    if (rows) rows.push(difference);
    else places.set(place, [difference]);
  }
  const head = (): HTMLElement => make('tr', {}, ...['', before, after, 'Bits', ''].map((heading) => make('th', { scope: 'col' }, heading)));
  const rest = differences.length - MOST_ROWS;
  return [
    ...[...places].map(([where, rows]) => section(`${where} (${rows.length})`, where !== 'memory', make('table', {}, head(), ...rows.map(row)))),
    ...(rest > 0 ? [make('p', {}, `${rest} more are not shown.`)] : []),
  ];
}

/** Numbers of fields that a table describes are registers'. */
function row({ where, what, before, after, about, bits = [] }: SnapshotDifference): HTMLElement {
  const type = about === undefined ? undefined : 'u8';
  const side = (name: 'before' | 'after', value: SnapshotDifference['before']): HTMLElement =>
    make('td', { class: name }, value === undefined ? '–' : valueText(value, type));
  const parts = bits.map(({ name, before: old, after: now }) => make('span', { class: 'bit set' }, `${name} ${old} → ${now}`));
  return make(
    'tr',
    {},
    make('th', { scope: 'row' }, what === '' ? where : what),
    side('before', before),
    side('after', after),
    make('td', {}, ...parts),
    make('td', { class: 'about' }, about ?? ''),
  );
}
