/**
 * Checks a value against one of our schemas and fills in the defaults, in one walk that is led by the schema.
 *
 * Not a general JSON Schema validator (ajv is, and fastify uses it): it knows the keywords that `build.ts` writes, finds every
 * fault rather than the first, speaks to people, rebuilds the value in the order of the schema, and is total: it neither
 * throws nor stalls, whatever it is given, and gives the same on every node, so the replicated state may depend on it.
 */
import type { TSchema } from 'typebox';
import type { FaultDetail } from '../errors.ts';
import { ID_PATTERN } from './build.ts';
import { FAULTS_MAX_COUNT, VALUES_MAX_COUNT } from './limits.ts';
import { closestName, showValue } from './words.ts';

/** The keywords that our schemas use. */
interface SchemaNode {
  readonly type?: 'object' | 'array' | 'string' | 'integer' | 'number' | 'boolean' | 'null';
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly required?: readonly string[];
  readonly patternProperties?: Readonly<Record<string, SchemaNode>>;
  readonly maxProperties?: number;
  readonly items?: SchemaNode;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly anyOf?: readonly SchemaNode[];
  readonly default?: unknown;
}

/** Collects faults up to a bound, and says how many more there were. */
export class Faults {
  readonly list: FaultDetail[] = [];
  readonly #settled = new Set<string>();
  #more = 0;

  /** From now on what concerns a value that is already at fault is not added: it would be judged by what stands in for it. */
  settle(): void {
    for (const { path } of this.list) this.#settled.add(path);
  }

  /** Was this very value at fault when the faults were settled? */
  has(path: string): boolean {
    return this.#settled.has(path);
  }

  add(path: string, message: string): void {
    if (this.#settled.size > 0 && this.#concernsSettled(path)) return;
    if (this.list.length < FAULTS_MAX_COUNT) this.list.push({ path, message });
    else this.#more++;
  }

  get any(): boolean {
    return this.list.length > 0;
  }

  #concernsSettled(path: string): boolean {
    let at = path;
    for (;;) {
      if (this.#settled.has(at)) return true;
      const cut = Math.max(at.lastIndexOf('.'), at.lastIndexOf('['));
      if (cut <= 0) return false;
      at = at.slice(0, cut);
    }
  }

  /** All of them, with a last line where there were more than fit. */
  all(): FaultDetail[] {
    if (this.#more === 0) return this.list;
    return [...this.list, { path: '', message: `and ${this.#more} more faults` }];
  }
}

/**
 * Checks `value` and answers it normalised. Where there were faults, something of the right type stands in for what was
 * wrong, so that relations can still be checked.
 */
export function checkShape(schema: TSchema, value: unknown, faults: Faults, path = ''): unknown {
  return new Walk(faults).check(schema as SchemaNode, value, path);
}

/** The path of a property; the root has none. */
export function fieldPath(path: string, field: string): string {
  return path === '' ? field : `${path}.${field}`;
}

const PATTERN_WORDS: Readonly<Record<string, string>> = {
  [ID_PATTERN]: 'must be 1 to 63 lower-case letters, digits and dashes, beginning with a letter or digit',
};

const patterns = new Map<string, RegExp>();

function matches(pattern: string, text: string): boolean {
  let regex = patterns.get(pattern);
  if (regex === undefined) {
    regex = new RegExp(pattern, 'u');
    patterns.set(pattern, regex);
  }
  return regex.test(text);
}

class Walk {
  readonly #faults: Faults;
  #values = 0;

  constructor(faults: Faults) {
    this.#faults = faults;
  }

  check(node: SchemaNode, value: unknown, path: string): unknown {
    if (++this.#values > VALUES_MAX_COUNT) {
      if (this.#values === VALUES_MAX_COUNT + 1) this.#fault('', `has more than ${VALUES_MAX_COUNT} values`);
      return blank(node);
    }
    if (node.anyOf !== undefined) return this.#checkNullable(node.anyOf, value, path);
    if (node.enum !== undefined) return this.#checkEnum(node.enum, value, path);
    if (node.const !== undefined) return this.#checkEnum([node.const], value, path);
    switch (node.type) {
      case 'object':
        return this.#checkObject(node, value, path);
      case 'array':
        return this.#checkArray(node, value, path);
      case 'string':
        return this.#checkString(node, value, path);
      case 'integer':
      case 'number':
        return this.#checkNumber(node, value, path);
      case 'boolean':
        if (typeof value === 'boolean') return value;
        this.#wrong(path, 'must be true or false', value);
        return false;
      case 'null':
        if (value !== null) this.#wrong(path, 'must be null', value);
        return null;
      case undefined:
      default:
        return value;
    }
  }

  #checkNullable(choices: readonly SchemaNode[], value: unknown, path: string): unknown {
    if (value === null && choices.some((choice) => choice.type === 'null')) return null;
    const other = choices.find((choice) => choice.type !== 'null');
    return other === undefined ? value : this.check(other, value, path);
  }

  #checkEnum(values: readonly unknown[], value: unknown, path: string): unknown {
    if (values.includes(value)) return value;
    const close =
      typeof value === 'string'
        ? closestName(
            value,
            values.filter((one) => typeof one === 'string'),
          )
        : null;
    // Objects are not asked for their text: their own `toString` may be anything.
    const asText = values.find((one) => typeof one !== typeof value && isPlain(value) && String(one) === String(value));
    const hint =
      asText !== undefined
        ? `; write it as ${JSON.stringify(asText)}`
        : close === null
          ? ''
          : `; did you mean ${JSON.stringify(close)}?`;
    const list = values.map((one) => JSON.stringify(one)).join(', ');
    this.#fault(path, `must be ${values.length > 1 ? 'one of ' : ''}${list}, is ${showValue(value)}${hint}`);
    return values[0];
  }

  #checkObject(node: SchemaNode, value: unknown, path: string): unknown {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      this.#wrong(path, 'must be an object', value);
      return blank(node);
    }
    const given = value as Readonly<Record<string, unknown>>;
    if (node.patternProperties !== undefined) return this.#checkMap(node, given, path);
    const properties = node.properties ?? {};
    const result: Record<string, unknown> = {};
    let taken = 0;
    for (const name in properties) {
      const property = properties[name] as SchemaNode;
      const at = fieldPath(path, name);
      const present = Object.hasOwn(given, name);
      if (present) taken++;
      if (present && given[name] !== undefined) {
        result[name] = this.check(property, given[name], at);
      } else if (property.default !== undefined) {
        result[name] = property.default === null ? null : this.check(property, property.default, at);
      } else if (node.required?.includes(name) === true) {
        this.#fault(at, 'is required');
        result[name] = blank(property);
      }
    }
    const keys = Object.keys(given);
    if (keys.length > taken) this.#unknownFields(keys, properties, path);
    return result;
  }

  #unknownFields(keys: readonly string[], properties: Readonly<Record<string, SchemaNode>>, path: string): void {
    const known = Object.keys(properties);
    for (const key of keys) {
      if (Object.hasOwn(properties, key)) continue;
      const close = closestName(key, known);
      const shown = key.length > 64 ? `${key.slice(0, 64)}…` : key;
      this.#fault(
        fieldPath(path, shown),
        close === null ? 'is not a field that is known here' : `is not a known field; did you mean "${close}"?`,
      );
    }
  }

  #checkMap(node: SchemaNode, given: Readonly<Record<string, unknown>>, path: string): unknown {
    const keys = Object.keys(given);
    if (node.maxProperties !== undefined && keys.length > node.maxProperties) {
      this.#fault(path, `must have at most ${node.maxProperties} entries, has ${keys.length}`);
      return {};
    }
    const [pattern, schema] = Object.entries(node.patternProperties ?? {})[0] ?? ['', {}];
    const result: Record<string, unknown> = {};
    for (const key of keys) {
      const shown = key.length > 64 ? `${key.slice(0, 64)}…` : key;
      const at = `${path}[${JSON.stringify(shown)}]`;
      // An own property of that name would become the prototype when the map is rebuilt.
      if (key === '__proto__' || !matches(pattern, key)) this.#fault(at, 'is not a name that is allowed here');
      else result[key] = this.check(schema, given[key], at);
    }
    return result;
  }

  #checkArray(node: SchemaNode, value: unknown, path: string): unknown {
    if (!Array.isArray(value)) {
      this.#wrong(path, 'must be a list', value);
      return [];
    }
    if (node.maxItems !== undefined && value.length > node.maxItems) {
      this.#fault(path, `must have at most ${node.maxItems} items, has ${value.length}`);
      return [];
    }
    if (node.minItems !== undefined && value.length < node.minItems) {
      this.#fault(path, `must have at least ${node.minItems} item${node.minItems === 1 ? '' : 's'}`);
    }
    const items = node.items ?? {};
    return Array.from(value, (item: unknown, at) => this.check(items, item, `${path}[${at}]`));
  }

  #checkString(node: SchemaNode, value: unknown, path: string): unknown {
    if (typeof value !== 'string') {
      this.#wrong(path, 'must be a text', value);
      return '';
    }
    if (node.maxLength !== undefined && value.length > node.maxLength) {
      this.#fault(path, `must have at most ${node.maxLength} characters, has ${value.length}`);
    } else if (node.minLength !== undefined && value.length < node.minLength) {
      this.#fault(path, value === '' ? 'must not be empty' : `must have at least ${node.minLength} characters`);
    } else if (node.pattern !== undefined && !matches(node.pattern, value)) {
      this.#fault(path, `${PATTERN_WORDS[node.pattern] ?? `must match ${node.pattern}`}, is ${showValue(value)}`);
    }
    return value;
  }

  #checkNumber(node: SchemaNode, value: unknown, path: string): unknown {
    const whole = node.type === 'integer';
    if (typeof value !== 'number' || !Number.isFinite(value) || (whole && !Number.isSafeInteger(value))) {
      this.#wrong(path, whole ? 'must be a whole number' : 'must be a number', value);
      return node.minimum ?? 0;
    }
    const { minimum, maximum } = node;
    const low = minimum !== undefined && value < minimum;
    const high = maximum !== undefined && value > maximum;
    if (low || high) {
      const range =
        minimum !== undefined && maximum !== undefined
          ? `from ${minimum} to ${maximum}`
          : low
            ? `${minimum} or more`
            : `${maximum} or less`;
      this.#fault(path, `must be ${range}, is ${value}`);
    }
    // Minus zero is not a value of JSON text: it would not survive a snapshot.
    return value === 0 ? 0 : value;
  }

  #wrong(path: string, message: string, value: unknown): void {
    this.#fault(path, `${message}, is ${showValue(value)}`);
  }

  #fault(path: string, message: string): void {
    this.#faults.add(path, message);
  }
}

function isPlain(value: unknown): value is string | number | boolean {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
}

/** The plainest value of a type: it stands in for one that is missing or wrong. */
function blank(node: SchemaNode): unknown {
  if (node.default !== undefined && node.type !== 'object') return node.default;
  if (node.anyOf !== undefined) return null;
  if (node.enum !== undefined) return node.enum[0];
  switch (node.type) {
    case 'object':
      return Object.fromEntries(Object.entries(node.properties ?? {}).map(([name, one]) => [name, blank(one)]));
    case 'array':
      return [];
    case 'string':
      return '';
    case 'integer':
    case 'number':
      return node.minimum ?? 0;
    case 'boolean':
      return false;
    case 'null':
    case undefined:
    default:
      return null;
  }
}
