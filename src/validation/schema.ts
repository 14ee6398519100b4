// The part of JSON Schema that profiles/schemas uses, and the three keywords of ours it adds. profiles/README.md
import { jsonSchema } from '../fhir/definitions.js';

export interface Choice {
  /** Type names in the definition's order; the property for `Quantity` of `value` is `valueQuantity`. */
  readonly types: readonly string[];
  readonly required?: boolean;
}

export interface Schema {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly minProperties?: number;
  readonly items?: Schema;
  /** Only as "null or …", in lists of primitives. */
  readonly anyOf?: readonly [{ readonly type: 'null' }, Schema];
  /** A schema's name, or `#/$defs/<path>` for a backbone element of the same schema. */
  readonly $ref?: string;
  readonly $defs?: Readonly<Record<string, Schema>>;
  readonly enum?: readonly string[];
  readonly const?: string;
  /** Primitives that must be there, as x or as _x. */
  readonly requiredPrimitives?: readonly string[];
  /** By stem: of these variants at most one, or exactly one. */
  readonly choices?: Readonly<Record<string, Choice>>;
  /** Lists whose x and _x must have the same places. */
  readonly primitiveLists?: readonly string[];
  /** Where the codes of `enum` come from. */
  readonly valueSet?: string;
}

export const schemaOf = (name: string): Schema => jsonSchema(name) as Schema;

/** The property that holds a choice's variant: `value`, `Quantity` → `valueQuantity`. */
export const variant = (stem: string, type: string): string =>
  stem + type.charAt(0).toUpperCase() + type.slice(1);

/** A choice's stem and type by property name. */
export const variants = (
  schema: Schema,
): ReadonlyMap<string, { readonly stem: string; readonly type: string }> =>
  new Map(
    Object.entries(schema.choices ?? {}).flatMap(([stem, { types }]) =>
      types.map(type => [variant(stem, type), { stem, type }]),
    ),
  );
