/** Edit distance in which two swapped neighbours are one mistake. */
export function distance(a: string, b: string): number {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? before[j - 2]! + 1 : Infinity;
      next.push(Math.min(change, row[j]! + 1, next[j - 1]! + 1, swapped));
    }
    before = row;
    row = next;
  }
  return row[b.length]!;
}

/** From so many words on not every one is measured. */
const MANY = 2000;

/** Up to three of `words` that `word` may have meant, nearest first. */
export function nearest(word: string, words: readonly string[]): string[] {
  const wanted = word.toLowerCase();
  return (
    words
      // Most of a hundred thousand symbols are too long or too short to be meant, and first letters are seldom wrong.
      .filter((candidate) => words.length < MANY || candidate[0]?.toLowerCase() === wanted[0])
      .filter((candidate) => Math.abs(candidate.length - word.length) <= Math.max(candidate.length, word.length) / 2)
      .map((candidate) => {
        const name = candidate.toLowerCase();
        const contains = wanted.length > 2 && (name.includes(wanted) || wanted.includes(name));
        return { candidate, score: contains ? 1 : distance(wanted, name) };
      })
      .filter(({ candidate, score }) => score <= Math.max(1, Math.floor(Math.max(candidate.length, word.length) / 3)))
      .sort((a, b) => a.score - b.score)
      .slice(0, 3)
      .map(({ candidate }) => candidate)
  );
}

/** `, did you mean 'memory'?` or nothing. */
export function didYouMean(word: string, words: readonly string[]): string {
  const near = nearest(word, words).map((name) => `'${name}'`);
  return near.length === 0 ? '' : `; did you mean ${near.join(' or ')}?`;
}
