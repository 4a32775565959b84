/** Icons of 16 by 16, drawn with a pen of the text's color. */
const PATHS = {
  keyboard: 'M2 4.5h12v7.5H2z M4.5 7h.01 M7 7h.01 M9 7h.01 M11.5 7h.01 M5.5 9.5h5',
  mouse: 'M8 1.5a3.5 3.5 0 0 1 3.5 3.5v6a3.5 3.5 0 0 1-7 0V5A3.5 3.5 0 0 1 8 1.5z M8 4.5v2.5',
  paste: 'M5.5 3H3.5v11h9V3h-2 M5.5 1.5h5V4h-5z M8 6.5v5 M6 9.5l2 2 2-2',
  copy: 'M5.5 5.5h8v9h-8z M10.5 5.5v-4h-8v9h3',
  camera: 'M1.5 4.5h3L6 2.5h4l1.5 2h3v9h-13z M8 6.5a2.25 2.25 0 1 1 0 4.5a2.25 2.25 0 0 1 0-4.5z',
  record: 'M8 2a6 6 0 1 1 0 12A6 6 0 0 1 8 2z M8 5.5a2.5 2.5 0 1 1 0 5a2.5 2.5 0 0 1 0-5z',
  stop: 'M8 2a6 6 0 1 1 0 12A6 6 0 0 1 8 2z M6 6h4v4H6z',
  expand: 'M2 6V2h4 M10 2h4v4 M14 10v4h-4 M6 14H2v-4',
  chevron: 'M4 6l4 4 4-4',
} as const;
export type Icon = keyof typeof PATHS;

const SVG = 'http://www.w3.org/2000/svg';

export function icon(name: Icon): SVGSVGElement {
  const element = document.createElementNS(SVG, 'svg');
  for (const [attribute, value] of [
    ['viewBox', '0 0 16 16'],
    ['aria-hidden', 'true'],
    ['class', `icon ${name}`],
  ] as const)
    element.setAttribute(attribute, value);
  const path = document.createElementNS(SVG, 'path');
  path.setAttribute('d', PATHS[name]);
  element.append(path);
  return element;
}
