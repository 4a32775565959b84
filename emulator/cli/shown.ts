/** A value of a snapshot on a line. Numbers of fields that a table describes are registers'; others count something. */
export function shownValue(value: unknown, register: boolean, widest: number): string {
  const hex = register && typeof value === 'number' && Number.isSafeInteger(value) && value > 9;
  const text = hex ? `0x${value.toString(16)}` : typeof value === 'string' ? value : JSON.stringify(value);
  return text.length > widest ? `${text.slice(0, widest)}…` : text;
}
