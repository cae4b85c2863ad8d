/**
 * The quick answer for small flat objects: does this value fit as it is? Made once from a schema whose fields are texts,
 * numbers, truth values and choices. Where it says yes, `checkShape` finds no fault and gives back the same fields with the
 * same values; a no means nothing and is for `checkShape` to explain. Pure and total like that one.
 */
import type { TSchema } from 'typebox';

type Fits = (value: unknown) => boolean;

interface Field {
  readonly name: string;
  readonly fits: Fits;
  readonly isRequired: boolean;
}

interface FlatNode {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, FlatNode>>;
  readonly required?: readonly string[];
  readonly enum?: readonly unknown[];
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
}

/** Null where the schema is not that of a flat object without defaults. */
export function flatCheck(schema: TSchema): Fits | null {
  const { type, properties = {}, required = [] } = schema as FlatNode;
  if (type !== 'object' || 'patternProperties' in schema) return null;
  const fields: Field[] = [];
  for (const [name, node] of Object.entries(properties)) {
    const fits = 'default' in node || name in Object.prototype ? null : scalarCheck(node);
    if (fits === null) return null;
    fields.push({ name, fits, isRequired: required.includes(name) });
  }
  return (value) => fitsFields(fields, value);
}

function fitsFields(fields: readonly Field[], value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const given = value as Readonly<Record<string, unknown>>;
  let left = 0;
  for (const name in given) if (Object.hasOwn(given, name)) left += 1;
  for (const { name, fits, isRequired } of fields) {
    const field = given[name];
    if (field === undefined) {
      if (isRequired) return false;
    } else if (fits(field)) left -= 1;
    else return false;
  }
  // Whatever is left is a field that is not known here.
  return left === 0;
}

function scalarCheck(node: FlatNode): Fits | null {
  const { type, minLength = 0, maxLength = Infinity, minimum = -Infinity, maximum = Infinity } = node;
  const { enum: values } = node;
  if (values !== undefined) return (value) => values.includes(value);
  switch (type) {
    case 'string': {
      const pattern = node.pattern === undefined ? null : new RegExp(node.pattern, 'u');
      return (value) =>
        typeof value === 'string' &&
        value.length >= minLength &&
        value.length <= maxLength &&
        (pattern === null || pattern.test(value));
    }
    case 'integer':
      // Minus zero is another value after the check.
      return (value) => Number.isSafeInteger(value) && !Object.is(value, -0) && within(value, minimum, maximum);
    case 'boolean':
      return (value) => typeof value === 'boolean';
    case undefined:
    default:
      return null;
  }
}

function within(value: unknown, minimum: number, maximum: number): boolean {
  return typeof value === 'number' && value >= minimum && value <= maximum;
}
