/** The network as people write it: in launch configurations and on the command line. */
import { NETWORK_DEVICES, NETWORK_MODES, type NetworkConfig, type PortForward } from './api';
import type { Refuse } from './diskconfig';

export const NETWORK_KEYS = ['mode', 'device', 'mac', 'forwards'] as const satisfies readonly (keyof NetworkConfig)[];
/** As QEMU's, in the range that is free for virtual machines. */
const DEFAULT_MAC = '52:54:00:12:34:56';
const MOST_FORWARDS = 32;

/** The address as bytes. */
export const macOf = ({ mac = DEFAULT_MAC }: NetworkConfig): Uint8Array => Uint8Array.from(mac.split(':'), (digits) => parseInt(digits, 16));

/** `user` or `isolated`, perhaps with `,device=virtio|e1000`, `,mac=ADDRESS` and `,forward=HOST:GUEST`; or an object of these; false: none. */
export function networkConfig(value: unknown, refuse: Refuse): NetworkConfig | undefined {
  if (value === false || value === 'none') return undefined;
  if (typeof value === 'string') return networkConfig(objectOf(value, refuse), refuse);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return refuse(`${JSON.stringify(value)} is neither text nor an object with a mode`);
  const given = new Map(Object.entries(value).filter(([, part]) => part !== undefined));
  if (given.has('ipv6')) refuse('ipv6: the network is for IPv4 alone');
  for (const key of given.keys())
    if (!(NETWORK_KEYS as readonly string[]).includes(key)) refuse(`'${key}' is unknown there; known are ${NETWORK_KEYS.join(', ')}`);
  const word = <Word extends string>(key: string, words: readonly Word[]): Word | undefined => {
    const part: unknown = given.get(key);
    return part === undefined ? undefined : (words.find((each) => each === part) ?? refuse(`${key}: ${JSON.stringify(part)} is none of ${words.join(', ')}`));
  };
  const mode = word('mode', NETWORK_MODES) ?? refuse(`there is no mode: ${NETWORK_MODES.join(' or ')}`);
  const device = word('device', NETWORK_DEVICES);
  const mac = given.get('mac') === undefined ? undefined : readMac(given.get('mac'), refuse);
  const forwards = given.get('forwards') === undefined ? [] : readForwards(given.get('forwards'), refuse);
  if (forwards.length > 0 && mode === 'isolated') refuse('ports are forwarded to no guest that is isolated');
  return { mode, ...(device && { device }), ...(mac !== undefined && { mac }), ...(forwards.length > 0 && { forwards }) };
}

function objectOf(text: string, refuse: Refuse): Record<string, unknown> {
  const [mode, ...options] = text.split(',');
  const given: Record<string, unknown> = { mode };
  const forwards: string[] = [];
  for (const option of options) {
    const at = option.indexOf('=');
    const [name, value] = [option.slice(0, at), option.slice(at + 1)];
    if (at <= 0) refuse(`'${option}' is no NAME=VALUE`);
    if (name === 'forward') forwards.push(value);
    else given[name] = value;
  }
  return { ...given, ...(forwards.length > 0 && { forwards }) };
}

/** Of one adapter, not of a group. */
function readMac(value: unknown, refuse: Refuse): string {
  const wrong = typeof value !== 'string' || !/^[\da-f]{2}(:[\da-f]{2}){5}$/i.test(value) || parseInt(value.slice(0, 2), 16) & 1;
  return wrong ? refuse(`mac: ${JSON.stringify(value)} is no address of an adapter, as ${DEFAULT_MAC}`) : value.toLowerCase();
}

function readForwards(value: unknown, refuse: Refuse): readonly PortForward[] {
  if (!Array.isArray(value)) return refuse(`forwards: ${JSON.stringify(value)} is no list`);
  if (value.length > MOST_FORWARDS) refuse(`${value.length} forwards: up to ${MOST_FORWARDS} are possible`);
  const forwards = value.map((item: unknown) => readForward(item, refuse));
  const twice = forwards.find(({ host }, index) => forwards.findIndex((other) => other.host === host) < index);
  return twice ? refuse(`port ${twice.host} of the host is forwarded twice`) : forwards;
}

/** `HOST:GUEST`, or both as numbers. */
function readForward(item: unknown, refuse: Refuse): PortForward {
  const wrong = (): never => refuse(`forward: ${JSON.stringify(item)} is no pair of ports, as "8080:80"`);
  const pair: unknown = typeof item === 'string' ? /^(\d{1,5}):(\d{1,5})$/.exec(item)?.slice(1).map(Number) : undefined;
  const [host, guest] = Array.isArray(pair)
    ? (pair as number[])
    : typeof item === 'object' && item !== null
      ? [(item as PortForward).host, (item as PortForward).guest]
      : wrong();
  const port = (number: unknown): number => (typeof number === 'number' && Number.isInteger(number) && number > 0 && number < 0x10000 ? number : wrong());
  return { host: port(host), guest: port(guest) };
}
