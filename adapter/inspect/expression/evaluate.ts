/** Evaluates expressions against a stopped vCPU. */
import { expressionError } from '../../session/errors';
import { didYouMean } from '../../launch/nearest';
import { REGISTER_PARTS, extract } from './registers';
import { U64, type BinaryOperator, type Expression, type NumberType, type UnaryOperator } from './syntax';

export type Space = 'linear' | 'physical';

export type Place = { readonly kind: 'memory'; readonly space: Space; readonly address: bigint } | { readonly kind: 'register'; readonly name: string };

export interface Value {
  /** The bits, as an unsigned number of the type's size. */
  readonly bits: bigint;
  readonly type: NumberType;
  /** The memory that the number is an address in. */
  readonly space: Space;
  /** Where it can be written, if it can. */
  readonly place?: Place;
}

export interface Environment {
  register(name: string): Promise<bigint | undefined>;
  symbol(name: string): bigint | undefined;
  /** Little-endian; undefined where it can't be read. */
  read(space: Space, address: bigint, size: number): Promise<bigint | undefined>;
  /** Names to suggest for one that isn't known. */
  names(): Promise<readonly string[]>;
}

const wrap = (value: bigint): bigint => BigInt.asUintN(64, value);
const plain = (bits: bigint, type: NumberType = U64, space: Space = 'linear'): Value => ({ bits: wrap(bits), type, space });
const truth = (value: boolean): Value => plain(value ? 1n : 0n);

/** The value as a number with its sign. */
export const numeric = (value: Value): bigint => (value.type.form === 'signed' ? BigInt.asIntN(value.type.size * 8, value.bits) : value.bits);

export function float(value: Value): number {
  const view = new DataView(new ArrayBuffer(8));
  view.setBigUint64(0, value.bits, true);
  return value.type.size === 4 ? view.getFloat32(0, true) : view.getFloat64(0, true);
}

/** Gives the value another type: cut, or extended by its own sign. */
const cast = (value: Value, type: NumberType): Value => plain(BigInt.asUintN(type.size * 8, numeric(value)), type, value.space);

export async function readRegister(name: string, environment: Environment): Promise<Value | undefined> {
  const lower = name.toLowerCase();
  const direct = await environment.register(lower);
  const place: Place = { kind: 'register', name: lower };
  if (direct !== undefined) return { ...plain(direct), place };
  const part = REGISTER_PARTS.get(lower);
  const whole = part && (await environment.register(part.whole));
  if (!part || whole === undefined) return undefined;
  const size = part.width <= 8 ? 1 : part.width <= 16 ? 2 : part.width <= 32 ? 4 : 8;
  return { ...plain(extract(whole, part), { size, form: 'unsigned' }), place };
}

async function named(name: string, register: boolean, environment: Environment): Promise<Value> {
  // A program's own names come first; a dollar sign says that the register is meant.
  const address = register ? undefined : environment.symbol(name);
  if (address !== undefined) return plain(address);
  const value = await readRegister(name, environment);
  if (value) return value;
  const what = register ? 'register' : 'register or symbol';
  throw expressionError(`no ${what} '${name}'${didYouMean(name, await environment.names())}`);
}

function unary(operator: UnaryOperator, operand: Value): Value {
  switch (operator) {
    case '-':
      return plain(-numeric(operand), { size: 8, form: 'signed' });
    case '+':
      return operand;
    case '~':
      return plain(~numeric(operand), U64, operand.space);
    case '!':
      return truth(operand.bits === 0n);
  }
}

function arithmetic(operator: BinaryOperator, left: Value, right: Value): Value {
  const signed = left.type.form === 'signed' || right.type.form === 'signed';
  const [a, b] = signed ? [BigInt.asIntN(64, numeric(left)), BigInt.asIntN(64, numeric(right))] : [left.bits, right.bits];
  const space: Space = left.space === 'physical' || right.space === 'physical' ? 'physical' : 'linear';
  const type: NumberType = { size: 8, form: signed ? 'signed' : 'unsigned' };
  const result = (bits: bigint): Value => plain(bits, type, space);
  switch (operator) {
    case '||':
      return truth(a !== 0n || b !== 0n);
    case '&&':
      return truth(a !== 0n && b !== 0n);
    case '|':
      return result(a | b);
    case '^':
      return result(a ^ b);
    case '&':
      return result(a & b);
    case '==':
      return truth(wrap(a) === wrap(b));
    case '!=':
      return truth(wrap(a) !== wrap(b));
    case '<':
      return truth(a < b);
    case '<=':
      return truth(a <= b);
    case '>':
      return truth(a > b);
    case '>=':
      return truth(a >= b);
    case '<<':
      return result(b < 0n || b > 63n ? 0n : a << b);
    case '>>':
      return result(a >> (b < 0n || b > 63n ? 63n : b));
    case '+':
      return result(a + b);
    case '-':
      return result(a - b);
    case '*':
      return result(a * b);
    case '/':
    case '%':
      if (b === 0n) throw expressionError('division by zero');
      return result(operator === '/' ? a / b : a % b);
  }
}

export async function evaluate(expression: Expression, environment: Environment): Promise<Value> {
  const of = (inner: Expression): Promise<Value> => evaluate(inner, environment);
  switch (expression.kind) {
    case 'number':
      return plain(expression.value);
    case 'name':
      return named(expression.name, expression.register, environment);
    case 'unary':
      return unary(expression.operator, await of(expression.operand));
    case 'binary': {
      const left = await of(expression.left);
      if (expression.operator === '&&' && left.bits === 0n) return truth(false);
      if (expression.operator === '||' && left.bits !== 0n) return truth(true);
      return arithmetic(expression.operator, left, await of(expression.right));
    }
    case 'choice':
      return of((await of(expression.test)).bits !== 0n ? expression.then : expression.otherwise);
    case 'cast':
      return cast(await of(expression.operand), expression.type);
    case 'space':
      return { ...plain((await of(expression.operand)).bits), space: expression.space };
    case 'address': {
      const operand = await of(expression.operand);
      if (operand.place?.kind === 'memory') return plain(operand.place.address, U64, operand.place.space);
      if (expression.operand.kind === 'name' && !operand.place) return operand;
      throw expressionError('only memory and symbols have an address');
    }
    case 'memory': {
      const { bits: address, space } = await of(expression.address);
      const bits = await environment.read(space, address, expression.type.size);
      if (bits === undefined) {
        throw expressionError(`can't read ${expression.type.size} bytes at ${space === 'physical' ? 'phys:' : ''}0x${address.toString(16)}`);
      }
      return { ...plain(bits, expression.type), place: { kind: 'memory', space, address } };
    }
  }
}
