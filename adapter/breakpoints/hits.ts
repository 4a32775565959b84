/** Hit conditions as people write them: `5` and `== 5`, `>= 5`, `> 5`, `% 5`. */
import type { HitCount } from '../../emulator/machine/api';

export function parseHits(text: string): HitCount | undefined {
  const match = /^(==|=|>=|>|%)?\s*(\d+)$/.exec(text.trim());
  if (!match) return undefined;
  const value = Number(match[2]);
  if (!Number.isSafeInteger(value) || value < 1) return undefined;
  const operator = match[1] ?? '==';
  return { compare: operator === '=' ? '==' : (operator as HitCount['compare']), value };
}
