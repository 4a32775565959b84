/** Variables, Watch, hovers and the Debug Console's expressions. */
import type { DebugProtocol } from '@vscode/debugprotocol';
import { runCommand } from '../../console/run';
import { complete } from '../../console/complete';
import { float, numeric, type Value } from '../../inspect/expression/evaluate';
import { hex, numberText, type Radix } from '../../inspect/format';
import { assign, NAME, parser } from '../assign';
import { describe, expressionError } from '../errors';
import type { Debuggee } from '../debuggee';
import { Reply } from '../reply';
import type { Session } from '../session';
import { frameOf } from './frames';

const radixOf = (debuggee: Debuggee, format: DebugProtocol.ValueFormat | undefined): Radix => (format?.hex === true ? 16 : debuggee.variables.radix);

export async function variables(session: Session, args: DebugProtocol.VariablesArguments): Promise<DebugProtocol.VariablesResponse['body']> {
  const debuggee = session.live;
  if (args.filter === 'indexed' || args.filter === 'named') {
    const all = await debuggee.variables.variables(args.variablesReference, 0, 0, radixOf(debuggee, args.format));
    const wanted = all.filter(({ name }) => name.startsWith('[') === (args.filter === 'indexed'));
    const start = args.start ?? 0;
    return { variables: wanted.slice(start, args.count ? start + args.count : undefined) };
  }
  return { variables: await debuggee.variables.variables(args.variablesReference, args.start, args.count, radixOf(debuggee, args.format)) };
}

function written(session: Session): void {
  session.live.changed();
  session.tellMemory();
  session.tellInvalidated(['all']);
}

export async function setVariable(session: Session, args: DebugProtocol.SetVariableArguments): Promise<DebugProtocol.SetVariableResponse['body']> {
  const debuggee = session.live;
  const { container } = await debuggee.variables.find(args.variablesReference, args.name);
  const vcpu = container.kind === 'vcpu' ? container.vcpu : debuggee.focus;
  await debuggee.variables.set(args.variablesReference, args.name, args.value, parser(debuggee, vcpu));
  const now = await debuggee.variables.variables(args.variablesReference, 0, 0, radixOf(debuggee, args.format));
  written(session);
  const { value, type, variablesReference, namedVariables, indexedVariables, memoryReference } = now.find(({ name }) => name === args.name)!;
  return {
    value,
    ...(type !== undefined && { type }),
    variablesReference,
    ...(namedVariables !== undefined && { namedVariables }),
    ...(indexedVariables !== undefined && { indexedVariables }),
    ...(memoryReference !== undefined && { memoryReference }),
  };
}

// ── Expressions ────────────────────────────────────────────────────────────────────────────

/** A value as text: its number, and the symbol that it points to. */
export function valueText(debuggee: Debuggee, value: Value, radix: Radix): string {
  const { type, bits, space } = value;
  if (type.form === 'float') return String(float(value));
  const text = numberText(numeric(value), type.size * 8, radix);
  const label = space === 'linear' && type.size === 8 && bits >= 0x1000n ? debuggee.symbols.label(bits) : undefined;
  return label === undefined ? text : `${text} <${label}>`;
}

const typeText = ({ type }: Value): string => `${type.form === 'float' ? 'f' : type.form === 'signed' ? 'i' : 'u'}${type.size * 8}`;

/** Names that mean more than a number: registers with bits or lanes, groups, fields of devices. */
async function structured(debuggee: Debuggee, text: string, vcpu: number, radix: Radix): Promise<DebugProtocol.EvaluateResponse['body'] | undefined> {
  const name = NAME.exec(text.trim())?.[1];
  if (name === undefined) return undefined;
  const known = debuggee.names.isRegister(name.toLowerCase());
  if (!text.trim().startsWith('$') && debuggee.symbols.index.find(name).length > 0) return undefined;
  if (!known && debuggee.isPart(name)) return undefined;
  const found = await debuggee.variables.lookup(vcpu, name, radix);
  if (!found || (known && found.variable.variablesReference === 0)) return undefined;
  const { value, type, variablesReference, namedVariables, indexedVariables, memoryReference } = found.variable;
  return {
    result: value === '' ? '{…}' : value,
    ...(type !== undefined && { type }),
    variablesReference,
    ...(namedVariables !== undefined && { namedVariables }),
    ...(indexedVariables !== undefined && { indexedVariables }),
    ...(memoryReference !== undefined && { memoryReference }),
  };
}

export async function evaluateText(debuggee: Debuggee, text: string, vcpu: number, radix: Radix): Promise<DebugProtocol.EvaluateResponse['body']> {
  const tree = await structured(debuggee, text, vcpu, radix);
  if (tree) return tree;
  const value = await debuggee.evaluate(text, vcpu);
  const { type, bits, space } = value;
  return {
    result: valueText(debuggee, value, radix),
    type: typeText(value),
    variablesReference: 0,
    ...(type.form === 'unsigned' && type.size === 8 && { memoryReference: space === 'physical' ? `phys:${hex(bits)}` : hex(bits) }),
    ...(value.place === undefined && { presentationHint: { attributes: ['readOnly'] } }),
  };
}

/** Words of a source under the mouse are registers only where they can hardly be anything else. */
const HOVERED =
  /^(r([abcd]x|[sd]i|[bs]p|ip|flags|[89]|1[0-5])[dwb]?|e?([abcd]x|[sd]i|[bs]p|flags)|eip|[abcd][hl]|[c-gs]s|cr[02348]|dr[0-7]|efer|xmm\d+|[gil]dtr|tr)$/i;

async function hover(debuggee: Debuggee, text: string, vcpu: number, radix: Radix): Promise<DebugProtocol.EvaluateResponse['body']> {
  const word = text.trim();
  if (/^[A-Za-z_]\w*$/.test(word) && !HOVERED.test(word) && debuggee.symbols.index.find(word).length === 0) {
    throw expressionError(`no symbol '${word}'`);
  }
  return evaluateText(debuggee, word, vcpu, radix);
}

export async function evaluate(session: Session, args: DebugProtocol.EvaluateArguments): Promise<DebugProtocol.EvaluateResponse['body'] | Reply> {
  const debuggee = session.live;
  const { vcpu } = frameOf(debuggee, args.frameId);
  const radix = radixOf(debuggee, args.format);
  if (args.context === 'hover') return hover(debuggee, args.expression, vcpu, radix);
  if (args.context !== 'repl') return evaluateText(debuggee, args.expression, vcpu, radix);
  const answer = await runCommand(session, args.expression, vcpu);
  if (answer)
    return new Reply({ result: answer.text, variablesReference: 0 }, () => answer.motion && session.beginUnasked(answer.motion.title, answer.motion.operation));
  try {
    return await evaluateText(debuggee, args.expression, vcpu, radix);
  } catch (error) {
    const { code, message } = describe(error);
    throw code === 'expression' ? expressionError(`${message}; 'help' lists the commands`) : error;
  }
}

export async function setExpression(session: Session, args: DebugProtocol.SetExpressionArguments): Promise<DebugProtocol.SetExpressionResponse['body']> {
  const debuggee = session.live;
  const { vcpu } = frameOf(debuggee, args.frameId);
  await assign(debuggee, vcpu, args.expression, args.value);
  written(session);
  const { result, ...rest } = await evaluateText(debuggee, args.expression, vcpu, radixOf(debuggee, args.format));
  return { value: result, ...rest };
}

export async function completions(session: Session, args: DebugProtocol.CompletionsArguments): Promise<DebugProtocol.CompletionsResponse['body']> {
  const first = session.client.columnsStartAt1 === false ? 0 : 1;
  const column = Math.min(Math.max(0, args.column - first), args.text.length);
  return { targets: complete(session.live, args.text.slice(0, column), first) };
}
