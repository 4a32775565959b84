/**
 * Expressions for the guest's own side, where breakpoints' conditions are evaluated at every hit:
 * symbols are numbers there, parts of registers are masks, and memory has its `u32[…]` form.
 */
import { expressionError } from '../../session/errors';
import { didYouMean } from '../../launch/nearest';
import { REGISTER_PARTS } from './registers';
import { parse, type Expression, type NumberType } from './syntax';

export interface Names {
  isRegister(name: string): boolean;
  symbol(name: string): bigint | undefined;
  suggestions(): readonly string[];
}

const hex = (value: bigint): string => `0x${value.toString(16)}`;
const typeName = (type: NumberType): string => `${type.form === 'signed' ? 'i' : 'u'}${type.size * 8}`;

function name(text: string, register: boolean, names: Names): string {
  const address = register ? undefined : names.symbol(text);
  if (address !== undefined) return hex(address);
  const lower = text.toLowerCase();
  if (names.isRegister(lower)) return lower;
  const part = REGISTER_PARTS.get(lower);
  if (part && names.isRegister(part.whole)) {
    const shifted = part.low === 0 ? part.whole : `(${part.whole} >> ${part.low})`;
    return part.width === 64 ? shifted : `(${shifted} & ${hex((1n << BigInt(part.width)) - 1n)})`;
  }
  throw expressionError(`no register or symbol '${text}'${didYouMean(text, names.suggestions())}`);
}

function print(expression: Expression, names: Names): string {
  const of = (inner: Expression): string => print(inner, names);
  switch (expression.kind) {
    case 'number':
      return hex(expression.value);
    case 'name':
      return name(expression.name, expression.register, names);
    case 'unary':
      return `${expression.operator}(${of(expression.operand)})`;
    case 'binary':
      return `(${of(expression.left)} ${expression.operator} ${of(expression.right)})`;
    case 'choice':
      return `(${of(expression.test)} ? ${of(expression.then)} : ${of(expression.otherwise)})`;
    case 'memory': {
      if (expression.type.form === 'float') throw expressionError('conditions compare whole numbers, not floating-point ones');
      const { address } = expression;
      if (address.kind === 'space') return `${typeName(expression.type)}[${address.space === 'physical' ? 'phys:' : ''}${of(address.operand)}]`;
      return `${typeName(expression.type)}[${of(address)}]`;
    }
    case 'address':
      if (expression.operand.kind === 'memory') return of(expression.operand.address);
      return of(expression.operand);
    case 'cast':
      return `(${typeName(expression.type)})(${of(expression.operand)})`;
    case 'space':
      throw expressionError(`in a condition 'phys:' stands directly inside brackets: u64[phys:…]`);
  }
}

export const toCondition = (text: string, names: Names): string => print(parse(text), names);

/** A log message: its `{expressions}` as conditions, everything else as it is. */
export const toLog = (message: string, names: Names): string => message.replace(/\{([^{}]*)\}/g, (_, inner: string) => `{${toCondition(inner, names)}}`);
