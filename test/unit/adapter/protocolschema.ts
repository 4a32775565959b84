/** JSON schemas of DAP's messages, made from the protocol's own type declarations; unknown members are errors. */
import Ajv, { type ValidateFunction } from 'ajv';
import ts from 'typescript';

type Schema = Record<string, unknown>;

const FILE = require.resolve('@vscode/debugprotocol/lib/debugProtocol.d.ts');

class Generator {
  readonly definitions: Record<string, Schema> = {};
  private readonly checker: ts.TypeChecker;
  private readonly declared = new Map<string, ts.Type>();

  constructor() {
    const program = ts.createProgram([FILE], { strict: true, noLib: false, types: [] });
    this.checker = program.getTypeChecker();
    const visit = (node: ts.Node): void => {
      if (ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node)) this.declared.set(node.name.text, this.checker.getTypeAtLocation(node));
      ts.forEachChild(node, visit);
    };
    visit(program.getSourceFile(FILE)!);
    for (const [name, type] of this.declared) this.definitions[name] = this.body(type);
  }

  get names(): string[] {
    return [...this.declared.keys()];
  }

  private schema(type: ts.Type): Schema {
    const name = type.symbol?.name;
    if (name !== undefined && this.declared.get(name) === type) return { $ref: `#/definitions/${name}` };
    return this.body(type);
  }

  private body(type: ts.Type): Schema {
    const { checker } = this;
    if (type.flags & (ts.TypeFlags.Any | ts.TypeFlags.Unknown)) return {};
    if (type.isUnion()) return { anyOf: type.types.filter((each) => !(each.flags & ts.TypeFlags.Undefined)).map((each) => this.schema(each)) };
    if (type.isStringLiteral() || type.isNumberLiteral()) return { const: type.value };
    if (type.flags & ts.TypeFlags.BooleanLiteral) return { const: checker.typeToString(type) === 'true' };
    if (type.flags & ts.TypeFlags.StringLike) return { type: 'string' };
    if (type.flags & ts.TypeFlags.NumberLike) return { type: 'number' };
    if (type.flags & ts.TypeFlags.BooleanLike) return { type: 'boolean' };
    if (type.flags & ts.TypeFlags.Null) return { type: 'null' };
    if (checker.isArrayType(type)) return { type: 'array', items: this.schema(checker.getTypeArguments(type as ts.TypeReference)[0]!) };
    const index = checker.getIndexInfoOfType(type, ts.IndexKind.String);
    const members = checker.getPropertiesOfType(type);
    const optional = (member: ts.Symbol): boolean => (member.flags & ts.SymbolFlags.Optional) !== 0;
    return {
      type: 'object',
      properties: Object.fromEntries(members.map((member) => [member.name, this.schema(checker.getTypeOfSymbol(member))])),
      required: members.filter((member) => !optional(member)).map((member) => member.name),
      ...(!index && members.length > 0 && { additionalProperties: false }),
    };
  }
}

const upper = (text: string): string => text[0]!.toUpperCase() + text.slice(1);

/** Says what is wrong with a message of the adapter; nothing if it conforms. */
export class ProtocolSchema {
  private readonly generator = new Generator();
  private readonly ajv = new Ajv({ strict: false, allErrors: true });
  private readonly compiled = new Map<string, ValidateFunction>();

  knows(name: string): boolean {
    return this.generator.names.includes(name);
  }

  check(name: string, value: unknown): string | undefined {
    let validate = this.compiled.get(name);
    if (!validate) {
      validate = this.ajv.compile({ $ref: `#/definitions/${name}`, definitions: this.generator.definitions });
      this.compiled.set(name, validate);
    }
    return validate(value) ? undefined : `${name}: ${this.ajv.errorsText(validate.errors)} in ${JSON.stringify(value).slice(0, 400)}`;
  }

  message(message: { type: string; event?: string; command?: string; success?: boolean }): string | undefined {
    const own = (message.event ?? message.command ?? '').startsWith('guest/');
    if (message.type === 'event') return this.check(own ? 'Event' : `${upper(message.event!)}Event`, message);
    if (message.success === false) return this.check('ErrorResponse', message);
    return this.check(own ? 'Response' : `${upper(message.command!)}Response`, message);
  }
}
