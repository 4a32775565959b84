/**
 * Conditions of triggers, evaluated beside the guest at every hit. C's operators over 64-bit numbers:
 * registers by their names (rax, cs.base), numbers, memory as `u32[address]` or `u32[phys:address]`,
 * casts as `(i32)(value)`. Symbols are numbers already.
 */
import { userError } from '../errors';

export interface ExpressionContext {
  register(name: string): bigint | undefined;
  /** Little-endian; undefined where it can't be read. */
  memory(space: 'linear' | 'physical', address: bigint, size: number): bigint | undefined;
}
/** Compiled: a number, or undefined where memory or a register can't be read. */
export type Evaluate = (context: ExpressionContext) => bigint | undefined;

const TOKEN = /\s*(?:(0x[0-9a-f_]+|[0-9][0-9_]*)|([a-z_][a-z0-9_.]*)|(<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%&|^~!<>?:()[\]]))/iy;
const TYPE = /^([ui])(8|16|32|64)$/;
const LEVELS: readonly (readonly string[])[] = [
  ['||'], ['&&'], ['|'], ['^'], ['&'], ['==', '!='], ['<', '<=', '>', '>='], ['<<', '>>'], ['+', '-'], ['*', '/', '%'],
]; // prettier-ignore
const DEEPEST = 200;

interface Type {
  readonly signed: boolean;
  readonly bits: number;
}
const typeOf = (name: string | undefined): Type | undefined => {
  const match = TYPE.exec(name ?? '');
  return match ? { signed: match[1] === 'i', bits: Number(match[2]) } : undefined;
};

const wrap = (value: bigint): bigint => BigInt.asUintN(64, value);
const extend = (value: bigint, { signed, bits }: Type): bigint => (signed ? wrap(BigInt.asIntN(bits, value)) : BigInt.asUintN(bits, value));
const truth = (value: boolean): bigint => (value ? 1n : 0n);

function binary(operator: string, a: bigint, b: bigint): bigint | undefined {
  switch (operator) {
    case '|': return a | b;
    case '^': return a ^ b;
    case '&': return a & b;
    case '==': return truth(a === b);
    case '!=': return truth(a !== b);
    case '<': return truth(a < b);
    case '<=': return truth(a <= b);
    case '>': return truth(a > b);
    case '>=': return truth(a >= b);
    case '<<': return b > 63n ? 0n : wrap(a << b);
    case '>>': return b > 63n ? 0n : a >> b;
    case '+': return wrap(a + b);
    case '-': return wrap(a - b);
    case '*': return wrap(a * b);
    case '/': return b === 0n ? undefined : a / b;
    case '%': return b === 0n ? undefined : a % b;
  }
  return undefined;
} // prettier-ignore

class Compiler {
  private readonly tokens: string[] = [];
  private next = 0;
  private depth = 0;

  constructor(private readonly text: string) {
    TOKEN.lastIndex = 0;
    for (let at = 0; text.slice(at).trim() !== ''; at = TOKEN.lastIndex) {
      const match = TOKEN.exec(text);
      if (!match) throw userError('condition', `unexpected '${text.slice(at).trim()[0]}' in the condition '${text}'`);
      this.tokens.push(match[1] ?? match[2] ?? match[3]!);
    }
  }

  whole(): Evaluate {
    const evaluate = this.choice();
    if (this.next < this.tokens.length) this.fail('an operator');
    return evaluate;
  }

  private fail(wanted: string): never {
    throw userError('condition', `${wanted} expected before '${this.tokens[this.next] ?? 'the end'}' in the condition '${this.text}'`);
  }
  private accept(token: string): boolean {
    if (this.tokens[this.next] !== token) return false;
    this.next++;
    return true;
  }
  private expect(token: string): void {
    if (!this.accept(token)) this.fail(`'${token}'`);
  }

  private choice(): Evaluate {
    if (++this.depth > DEEPEST) throw userError('condition', 'the condition is nested too deeply');
    let result = this.level(0);
    if (this.accept('?')) {
      const test = result;
      const then = this.choice();
      this.expect(':');
      const otherwise = this.choice();
      result = (context) => {
        const value = test(context);
        return value === undefined ? undefined : value !== 0n ? then(context) : otherwise(context);
      };
    }
    this.depth--;
    return result;
  }

  private level(index: number): Evaluate {
    const operators = LEVELS[index];
    if (!operators) return this.unary();
    let left = this.level(index + 1);
    for (;;) {
      const operator = operators.find((candidate) => this.accept(candidate));
      if (operator === undefined) return left;
      left = combine(operator, left, this.level(index + 1));
    }
  }

  private unary(): Evaluate {
    if (++this.depth > DEEPEST) throw userError('condition', 'the condition is nested too deeply');
    try {
      const of = (change: (value: bigint) => bigint): Evaluate => {
        const operand = this.unary();
        return (context) => {
          const value = operand(context);
          return value === undefined ? undefined : wrap(change(value));
        };
      };
      if (this.accept('-')) return of((value) => -value);
      if (this.accept('+')) return of((value) => value);
      if (this.accept('~')) return of((value) => ~value);
      if (this.accept('!')) return of((value) => truth(value === 0n));
      const type = this.tokens[this.next] === '(' && this.tokens[this.next + 2] === ')' ? typeOf(this.tokens[this.next + 1]) : undefined;
      if (type) {
        this.next += 3;
        return of((value) => extend(value, type));
      }
      return this.primary();
    } finally {
      this.depth--;
    }
  }

  private primary(): Evaluate {
    if (this.accept('(')) {
      const inner = this.choice();
      this.expect(')');
      return inner;
    }
    const token = this.tokens[this.next];
    if (token === undefined || !/^[a-z0-9_]/i.test(token)) this.fail('a value');
    this.next++;
    if (/^[0-9]/.test(token)) {
      const value = wrap(BigInt(token.replaceAll('_', '')));
      return () => value;
    }
    const type = typeOf(token);
    if (type && this.accept('[')) return this.memory(type);
    return (context) => context.register(token);
  }

  private memory(type: Type): Evaluate {
    let space: 'linear' | 'physical' = 'linear';
    if (this.tokens[this.next] === 'phys' && this.tokens[this.next + 1] === ':') {
      this.next += 2;
      space = 'physical';
    }
    const address = this.choice();
    this.expect(']');
    return (context) => {
      const at = address(context);
      const value = at === undefined ? undefined : context.memory(space, at, type.bits / 8);
      return value === undefined ? undefined : extend(value, type);
    };
  }
}

function combine(operator: string, left: Evaluate, right: Evaluate): Evaluate {
  if (operator === '||' || operator === '&&') {
    return (context) => {
      const a = left(context);
      if (a === undefined) return undefined;
      if ((a !== 0n) === (operator === '||')) return truth(a !== 0n);
      const b = right(context);
      return b === undefined ? undefined : truth(b !== 0n);
    };
  }
  return (context) => {
    const a = left(context);
    const b = right(context);
    return a === undefined || b === undefined ? undefined : binary(operator, a, b);
  };
}

/** Throws EmulatorError with blame `user`. */
export const compile = (text: string): Evaluate => new Compiler(text).whole();

/** A log message with `{expression}` parts. */
export function compileLog(message: string): (context: ExpressionContext) => string {
  const parts = message.split(/\{([^{}]*)\}/).map((part, index) => (index % 2 === 0 ? part : compile(part)));
  return (context) =>
    parts.map((part) => (typeof part === 'string' ? part : ((value) => (value === undefined ? '?' : `0x${value.toString(16)}`))(part(context)))).join('');
}
