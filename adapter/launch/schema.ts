/** The JSON schema of launch configurations for package.json, made from the list of attributes. */
import { DISK_BUSES } from '../../emulator/machine/api';
import { ATTRIBUTES, type Attribute, type AttributeType } from './attributes';

export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };
type JsonObject = { readonly [key: string]: Json };

const strings: JsonObject = { type: 'array', items: { type: 'string' } };
const address: JsonObject = { type: ['integer', 'string'], pattern: '^(0[xX][0-9a-fA-F]+|[0-9]+)$' };

const disk: JsonObject = {
  type: 'object',
  required: ['path'],
  additionalProperties: false,
  properties: {
    path: { type: 'string', description: 'The image: raw, ISO or qcow2.' },
    kind: { enum: ['disk', 'cdrom'], description: 'A CD-ROM is read-only.' },
    bus: { enum: DISK_BUSES, description: 'What it is attached to: virtio unless told, and AHCI for a CD-ROM.' },
    overlay: { type: 'string', description: 'A qcow2 file that keeps what the guest has written, made if it is not there.' },
    readOnly: { type: 'boolean' },
    format: { enum: ['raw', 'qcow2'], description: 'Found out from the image unless given.' },
    serial: { type: 'string', maxLength: 20 },
  },
};

function shape(attribute: AttributeType): JsonObject {
  switch (attribute.type) {
    case 'path':
      return { type: 'string' };
    case 'string':
      return {
        type: 'string',
        ...(attribute.enum && { enum: attribute.enum }),
        ...(attribute.enumDescriptions && { enumDescriptions: attribute.enumDescriptions }),
      };
    case 'boolean':
      return { type: 'boolean' };
    case 'integer':
      return {
        type: 'integer',
        ...(attribute.minimum !== undefined && { minimum: attribute.minimum }),
        ...(attribute.maximum !== undefined && { maximum: attribute.maximum }),
      };
    case 'seed':
      return { anyOf: [{ type: 'integer', minimum: attribute.minimum }, { const: 'host' }] };
    case 'size':
      return { type: ['integer', 'string'], pattern: '^[0-9]+(\\.[0-9]+)?\\s*([kKmMgG]([iI]?[bB])?)?$' };
    case 'address':
      return address;
    case 'strings':
      return strings;
    case 'symbols':
      return {
        type: 'array',
        items: {
          anyOf: [
            { type: 'string' },
            {
              type: 'object',
              required: ['path'],
              additionalProperties: false,
              properties: { path: { type: 'string' }, offset: address },
            },
          ],
        },
      };
    case 'disks':
      return { type: 'array', items: { anyOf: [{ type: 'string' }, disk] } };
    case 'usb':
      return { type: 'array', items: { enum: ['tablet', 'keyboard'] }, uniqueItems: true };
    case 'network':
      return {
        anyOf: [
          { type: 'string', pattern: '^(none|(user|isolated)(,(device|mac|forward)=[^,]+)*)$' },
          {
            type: 'object',
            required: ['mode'],
            additionalProperties: false,
            properties: {
              mode: { enum: ['user', 'isolated'] },
              device: { enum: ['virtio', 'e1000'] },
              mac: { type: 'string' },
              forwards: { type: 'array', items: { type: 'string', pattern: '^[0-9]+:[0-9]+$' } },
            },
          },
          { const: false },
        ],
      };
    case 'map':
      return { type: 'object', additionalProperties: { type: 'string' } };
    case 'display':
      return { anyOf: [{ type: 'string', pattern: '^([0-9]+x[0-9]+|(fbuf|vga|ramfb)(,[wh]=[0-9]+)*)$' }, { const: false }] };
    case 'port':
      return { anyOf: [{ type: 'integer', minimum: 0, maximum: 0xffff }, { const: false }] };
  }
}

/** `configurationAttributes.launch` of the debugger's contribution. */
export function launchSchema(): JsonObject {
  const properties = Object.entries(ATTRIBUTES as Record<string, Attribute>).map(([name, attribute]) => [
    name,
    {
      ...shape(attribute),
      markdownDescription: attribute.description,
      ...(attribute.default !== undefined && { default: attribute.default as Json }),
    },
  ]);
  return { properties: Object.fromEntries(properties) as JsonObject };
}

/** The attributes as rows of a Markdown table, for the README. */
export function launchTable(): string {
  const rows = Object.entries(ATTRIBUTES as Record<string, Attribute>).map(([name, attribute]) => {
    const value = attribute.default === undefined ? '' : `\`${JSON.stringify(attribute.default)}\``;
    return `| \`${name}\` | ${value} | ${attribute.description} |`;
  });
  return ['| Attribute | Default | Meaning |', '|---|---|---|', ...rows].join('\n');
}
