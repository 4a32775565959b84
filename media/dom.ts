/** Elements, made of text alone: what a file says is never markup. */
type Child = Node | string;

export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Readonly<Record<string, string>> = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

export function details(title: string, open: boolean, ...children: readonly Child[]): HTMLDetailsElement {
  const element = make('details', {}, make('summary', {}, title), ...children);
  element.open = open;
  return element;
}

/** A part of the page that can be shut. */
export const section = (title: string, open: boolean, ...children: readonly Child[]): HTMLElement => make('section', {}, details(title, open, ...children));

export function button(text: string, action: () => void): HTMLButtonElement {
  const element = make('button', { type: 'button' }, text);
  element.addEventListener('click', action);
  return element;
}

export function pictures(...sides: readonly (readonly [caption: string, png: string | undefined])[]): HTMLElement {
  const figures = sides.flatMap(([caption, png]) =>
    png === undefined
      ? []
      : [make('figure', {}, make('img', { src: `data:image/png;base64,${png}`, alt: `The screen: ${caption}` }), make('figcaption', {}, caption))],
  );
  return make('div', { class: 'pictures' }, ...figures);
}
