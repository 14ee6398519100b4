// UCUM units in base units, so that 0.5 g and 500 mg are the same. https://ucum.org/ucum
// Surprising: a mole is a dimension of its own here. To UCUM it is a number, and 5 mmol/L would be comparable with
// 5 × 10⁹ cells per litre. Arbitrary units (IU), logarithms (pH) and what is no UCUM stay unconverted.
import { createRequire } from 'node:module';

export const ucumSystem = 'http://unitsofmeasure.org';

export interface CanonicalUnit {
  /** Of the base units m, s, g, rad, K, C, cd and mol, such as `g.m-3`; `1` for a number. */
  readonly code: string;
  readonly factor: number;
  readonly offset: number;
}

/** What of the library is used here. */
interface UcumUnit {
  readonly magnitude_: number;
  readonly dim_: { readonly dimVec_: readonly number[] | null } | null;
  readonly cnv_: string | null;
  readonly cnvPfx_: number;
  readonly isArbitrary_: boolean;
  readonly moleExp_: number;
}
interface Ucum {
  getSpecifiedUnit(
    code: string,
    use: 'validate',
  ): { readonly unit: UcumUnit | null; readonly retMsg: readonly string[] };
}

let ucum: Ucum | undefined;
/** Loaded with the first unit: it takes 50 ms and 13 MB. */
function library(): Ucum {
  ucum ??= (
    createRequire(import.meta.url)('@lhncbc/ucum-lhc') as { UcumLhcUtils: { getInstance(): Ucum } }
  ).UcumLhcUtils.getInstance();
  return ucum;
}

const known = new Map<string, CanonicalUnit | undefined>();
/** Clients may send any unit; when there are so many, all are forgotten. */
const kept = 2000;
/** Characters of UCUM, section 2.1: no blanks. With others the library writes to the console. */
const possible = /^[!-~]+$/;
/** Real units have some ten letters. */
const longest = 60;

/** The unit in base units; undefined where it cannot be converted. */
export function canonicalUnit(code: string): CanonicalUnit | undefined {
  if (!possible.test(code) || code.length > longest) return undefined;
  if (!known.has(code)) {
    if (known.size >= kept) known.clear();
    known.set(code, convert(code));
  }
  return known.get(code);
}

const valid = new Map<string, boolean>();

/** Whether UCUM has such a unit, arbitrary ones and annotations included. */
export function isUnit(code: string): boolean {
  if (!possible.test(code) || code.length > longest) return false;
  let known = valid.get(code);
  if (known === undefined) {
    if (valid.size >= kept) valid.clear();
    try {
      const found = library().getSpecifiedUnit(code, 'validate');
      known = found.unit !== null && found.retMsg.length === 0;
    } catch {
      known = false; // the library throws at some texts that are no units
    }
    valid.set(code, known);
  }
  return known;
}

const baseUnits = ['m', 's', 'g', 'rad', 'K', 'C', 'cd', 'mol'];
/** As the library has it, so that it cancels out. */
const avogadro = 6.0221367e23;
/** Scales whose zero is elsewhere, in K. */
const offsets: Readonly<Record<string, number>> = { Cel: 273.15, degF: (459.67 * 5) / 9 };

function convert(code: string): CanonicalUnit | undefined {
  let unit: UcumUnit | null;
  try {
    const found = library().getSpecifiedUnit(code, 'validate');
    if (found.retMsg.length > 0) return undefined;
    unit = found.unit;
  } catch {
    return undefined; // the library throws at some texts that are no units
  }
  if (unit === null || unit.isArbitrary_) return undefined;
  const powers = [...(unit.dim_?.dimVec_ ?? baseUnits.slice(0, -1).map(() => 0)), unit.moleExp_];
  const name = baseUnits.flatMap((base, i) => (powers[i] ? [base + (powers[i] === 1 ? '' : powers[i])] : []));
  const factor = unit.magnitude_ / avogadro ** unit.moleExp_;
  const offset = unit.cnv_ === null ? 0 : offsets[unit.cnv_];
  const isScale = unit.cnv_ !== null;
  if (offset === undefined || (isScale && (name.join('.') !== 'K' || unit.cnvPfx_ !== 1))) return undefined;
  if (!(factor > 0) || !Number.isFinite(factor)) return undefined;
  return { code: name.length === 0 ? '1' : name.join('.'), factor, offset };
}

/** A value in the canonical unit. To 12 digits: what equals in decimals is to be equal in doubles. */
export const inCanonical = (value: number, unit: CanonicalUnit): number =>
  Number((value * unit.factor + unit.offset).toPrecision(12));
