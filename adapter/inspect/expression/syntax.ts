/**
 * The expression language of Watch, hover, conditions and the Debug Console, C's operators over
 * 64-bit numbers:
 *
 *   rax   $rax   cs.base      registers, parts of registers too (eax, ah, r8d), and flags (zf); a symbol
 *                             of the same name comes first, unless there is a dollar sign
 *   start_kernel   &symbol    the address of a symbol
 *   0x10  16  0b1_0000  'A'   numbers
 *   *(u32*)rsp   u32[rsp]     memory, with a type; [rsp] and *rsp are 64 bits wide
 *   phys:0x1000               an address in physical memory: u8[phys:0x1000]
 *   (i32)rax                  a cast
 */
import { expressionError } from '../../session/errors';

export interface NumberType {
  readonly size: 1 | 2 | 4 | 8;
  readonly form: 'unsigned' | 'signed' | 'float';
}

export type UnaryOperator = '-' | '+' | '~' | '!';
export type BinaryOperator = '||' | '&&' | '|' | '^' | '&' | '==' | '!=' | '<' | '<=' | '>' | '>=' | '<<' | '>>' | '+' | '-' | '*' | '/' | '%';

export type Expression =
  | { readonly kind: 'number'; readonly value: bigint }
  /** `register`: it was written with a dollar sign. */
  | { readonly kind: 'name'; readonly name: string; readonly register: boolean }
  | { readonly kind: 'unary'; readonly operator: UnaryOperator; readonly operand: Expression }
  | { readonly kind: 'binary'; readonly operator: BinaryOperator; readonly left: Expression; readonly right: Expression }
  | { readonly kind: 'choice'; readonly test: Expression; readonly then: Expression; readonly otherwise: Expression }
  | { readonly kind: 'memory'; readonly type: NumberType; readonly address: Expression }
  | { readonly kind: 'address'; readonly operand: Expression }
  | { readonly kind: 'cast'; readonly type: NumberType; readonly operand: Expression }
  | { readonly kind: 'space'; readonly space: 'linear' | 'physical'; readonly operand: Expression };

const number = (size: NumberType['size'], form: NumberType['form'] = 'unsigned'): NumberType => ({ size, form });
export const U64 = number(8);

export const TYPES: Readonly<Record<string, NumberType>> = {
  u8: number(1),
  u16: number(2),
  u32: number(4),
  u64: number(8),
  i8: number(1, 'signed'),
  i16: number(2, 'signed'),
  i32: number(4, 'signed'),
  i64: number(8, 'signed'),
  s8: number(1, 'signed'),
  s16: number(2, 'signed'),
  s32: number(4, 'signed'),
  s64: number(8, 'signed'),
  uint8_t: number(1),
  uint16_t: number(2),
  uint32_t: number(4),
  uint64_t: number(8),
  int8_t: number(1, 'signed'),
  int16_t: number(2, 'signed'),
  int32_t: number(4, 'signed'),
  int64_t: number(8, 'signed'),
  byte: number(1),
  word: number(2),
  dword: number(4),
  qword: number(8),
  char: number(1, 'signed'),
  short: number(2, 'signed'),
  int: number(4, 'signed'),
  long: number(8, 'signed'),
  f32: number(4, 'float'),
  f64: number(8, 'float'),
  float: number(4, 'float'),
  double: number(8, 'float'),
};

interface Token {
  readonly kind: 'number' | 'name' | 'register' | 'operator' | 'end';
  readonly text: string;
  readonly at: number;
}

const TOKEN =
  /\s*(?:(0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO][0-7_]+|[0-9][0-9_]*|'(?:[^'\\]|\\.)')|\$([A-Za-z_][A-Za-z0-9_.]*)|([A-Za-z_@][A-Za-z0-9_@]*(?:[.][A-Za-z0-9_]+)*)|(<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%&|^~!<>?:()[\]]))/y;

function tokens(text: string): Token[] {
  const found: Token[] = [];
  TOKEN.lastIndex = 0;
  for (;;) {
    const start = TOKEN.lastIndex;
    const match = TOKEN.exec(text);
    if (!match) {
      const rest = text.slice(start).trimStart();
      if (rest !== '') throw expressionError(`unexpected '${rest[0]}' in '${text}'`);
      found.push({ kind: 'end', text: '', at: text.length });
      return found;
    }
    const at = TOKEN.lastIndex;
    if (match[1] !== undefined) found.push({ kind: 'number', text: match[1], at });
    else if (match[2] !== undefined) found.push({ kind: 'register', text: match[2], at });
    else if (match[3] !== undefined) found.push({ kind: 'name', text: match[3], at });
    else found.push({ kind: 'operator', text: match[4]!, at });
  }
}

const PRECEDENCE: readonly (readonly BinaryOperator[])[] = [
  ['||'],
  ['&&'],
  ['|'],
  ['^'],
  ['&'],
  ['==', '!='],
  ['<', '<=', '>', '>='],
  ['<<', '>>'],
  ['+', '-'],
  ['*', '/', '%'],
];
const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', 0: '\0' };
const DEEPEST = 200;

class Parser {
  private readonly list: readonly Token[];
  private next = 0;
  private depth = 0;

  constructor(private readonly text: string) {
    if (text.length > 4096) throw expressionError('an expression of more than 4096 characters');
    this.list = tokens(text);
  }

  private get token(): Token {
    return this.list[this.next]!;
  }
  private peek(ahead: number): Token | undefined {
    return this.list[this.next + ahead];
  }
  private accept(text: string): boolean {
    if (this.token.kind !== 'operator' || this.token.text !== text) return false;
    this.next++;
    return true;
  }
  private expect(text: string): void {
    if (!this.accept(text)) this.fail(`'${text}'`);
  }
  private fail(wanted: string): never {
    const found = this.token.kind === 'end' ? 'the end' : `'${this.token.text}'`;
    throw expressionError(`${wanted} expected, not ${found}, in '${this.text}'`);
  }

  whole(): Expression {
    const expression = this.choice();
    if (this.token.kind !== 'end') this.fail('an operator');
    return expression;
  }

  private choice(): Expression {
    if (++this.depth > DEEPEST) throw expressionError('the expression is nested too deeply');
    const test = this.binary(0);
    let result = test;
    if (this.accept('?')) {
      const then = this.choice();
      this.expect(':');
      result = { kind: 'choice', test, then, otherwise: this.choice() };
    }
    this.depth--;
    return result;
  }

  private binary(level: number): Expression {
    const operators = PRECEDENCE[level];
    if (!operators) return this.unary();
    let left = this.binary(level + 1);
    for (;;) {
      const operator = operators.find((candidate) => this.accept(candidate));
      if (!operator) return left;
      left = { kind: 'binary', operator, left, right: this.binary(level + 1) };
    }
  }

  /** `(u32*)` or `(u32)` at the next token. */
  private typeInParentheses(): { type: NumberType; pointer: boolean } | undefined {
    const name = this.peek(1);
    const type = name?.kind === 'name' ? TYPES[name.text] : undefined;
    if (this.token.text !== '(' || !type) return undefined;
    const pointer = this.peek(2)?.text === '*';
    if (this.peek(pointer ? 3 : 2)?.text !== ')') return undefined;
    this.next += pointer ? 4 : 3;
    return { type, pointer };
  }

  private unary(): Expression {
    if (++this.depth > DEEPEST) throw expressionError('the expression is nested too deeply');
    try {
      for (const operator of ['-', '+', '~', '!'] as const) {
        if (this.accept(operator)) return { kind: 'unary', operator, operand: this.unary() };
      }
      if (this.accept('&')) return { kind: 'address', operand: this.unary() };
      if (this.accept('*')) {
        const cast = this.typeInParentheses();
        if (cast && !cast.pointer) this.fail("'*' in the type of a pointer");
        return { kind: 'memory', type: cast?.type ?? U64, address: this.unary() };
      }
      const cast = this.typeInParentheses();
      if (cast) return { kind: 'cast', type: cast.pointer ? U64 : cast.type, operand: this.unary() };
      return this.primary();
    } finally {
      this.depth--;
    }
  }

  private primary(): Expression {
    const token = this.token;
    if (this.accept('(')) {
      const inner = this.choice();
      this.expect(')');
      return inner;
    }
    if (this.accept('[')) return this.bracket(U64);
    switch (token.kind) {
      case 'number':
        this.next++;
        return { kind: 'number', value: literal(token.text) };
      case 'register':
        this.next++;
        return { kind: 'name', name: token.text, register: true };
      case 'name':
        return this.named(token.text);
      default:
        return this.fail('a value');
    }
  }

  private named(name: string): Expression {
    this.next++;
    const type = TYPES[name];
    if (type && this.accept('[')) return this.bracket(type);
    if ((name === 'phys' || name === 'lin') && this.accept(':')) {
      return { kind: 'space', space: name === 'phys' ? 'physical' : 'linear', operand: this.unary() };
    }
    return { kind: 'name', name, register: false };
  }

  private bracket(type: NumberType): Expression {
    const address = this.choice();
    this.expect(']');
    return { kind: 'memory', type, address };
  }
}

function literal(text: string): bigint {
  if (text.startsWith("'")) {
    const inner = text.slice(1, -1);
    const character = inner.startsWith('\\') ? (ESCAPES[inner[1]!] ?? inner[1]!) : inner;
    return BigInt(character.codePointAt(0)!);
  }
  return BigInt.asUintN(64, BigInt(text.replaceAll('_', '')));
}

/** Throws DapError (code `expression`) for what is no expression. */
export const parse = (text: string): Expression => new Parser(text).whole();
