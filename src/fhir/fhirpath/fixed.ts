// Decimals as FHIRPath counts them: exactly, with the digits they were written with. https://hl7.org/fhirpath/#decimal
// Surprising: doubles would make 1.8 - 1.2 differ from 0.6, and precision() needs the zeros of 1.500.

/** Beyond, a result is not representable and the operation answers nothing. */
const mostDigits = 400;
/** Digits a division goes to behind the point. */
const quotientScale = 16;

const powers: bigint[] = [1n];
const tenTo = (exponent: number): bigint => (powers[exponent] ??= 10n ** BigInt(exponent));
const absolute = (value: bigint): bigint => (value < 0n ? -value : value);

export class Fixed {
  /** The value is `units` / 10^`scale`. */
  constructor(
    readonly units: bigint,
    readonly scale: number,
  ) {}

  /** Undefined for what is no number or has more than 400 digits. */
  static parse(text: string): Fixed | undefined {
    const match = /^([+-]?)([0-9]{1,400})(?:\.([0-9]{1,400}))?(?:[eE]([+-]?[0-9]{1,4}))?$/.exec(text);
    if (match === null) return undefined;
    const [, sign = '', whole = '', fraction = '', exponent = '0'] = match;
    let units = BigInt(whole + fraction);
    let scale = fraction.length - Number(exponent);
    if (Math.abs(scale) > mostDigits) return undefined;
    if (scale < 0) {
      units *= tenTo(-scale);
      scale = 0;
    }
    return new Fixed(sign === '-' ? -units : units, scale);
  }
  static of(value: number): Fixed | undefined {
    return Number.isFinite(value) ? Fixed.parse(String(value)) : undefined;
  }

  private at(scale: number): bigint {
    return this.units * tenTo(scale - this.scale);
  }
  compare(other: Fixed): number {
    const scale = Math.max(this.scale, other.scale);
    const [a, b] = [this.at(scale), other.at(scale)];
    return a < b ? -1 : a > b ? 1 : 0;
  }
  plus(other: Fixed): Fixed {
    const scale = Math.max(this.scale, other.scale);
    return new Fixed(this.at(scale) + other.at(scale), scale);
  }
  negated(): Fixed {
    return new Fixed(-this.units, this.scale);
  }
  minus(other: Fixed): Fixed {
    return this.plus(other.negated());
  }
  times(other: Fixed): Fixed | undefined {
    const scale = this.scale + other.scale;
    const units = this.units * other.units;
    if (scale > mostDigits || absolute(units) >= tenTo(mostDigits)) return undefined;
    return new Fixed(units, scale);
  }
  /** Undefined by zero. */
  over(other: Fixed): Fixed | undefined {
    if (other.units === 0n) return undefined;
    const scale = Math.max(quotientScale, this.scale, other.scale);
    const units = (this.units * tenTo(scale + other.scale - this.scale + 1)) / other.units;
    return new Fixed(roundAway(units, 10n), scale).shortened();
  }
  /** The whole number that `over` truncates to; undefined by zero. */
  quotient(other: Fixed): Fixed | undefined {
    if (other.units === 0n) return undefined;
    const scale = Math.max(this.scale, other.scale);
    return new Fixed(this.at(scale) / other.at(scale), 0);
  }
  truncated(): Fixed {
    return new Fixed(this.units / tenTo(this.scale), 0);
  }
  /** To so many digits behind the point, halves away from zero. */
  rounded(digits: number): Fixed {
    if (digits >= this.scale) return this;
    return new Fixed(roundAway(this.units, tenTo(this.scale - digits)), digits);
  }
  /** Towards minus infinity. */
  floored(digits: number): Fixed {
    if (digits >= this.scale) return new Fixed(this.at(digits), digits);
    const divisor = tenTo(this.scale - digits);
    const quotient = this.units / divisor;
    return new Fixed(this.units < 0n && quotient * divisor !== this.units ? quotient - 1n : quotient, digits);
  }
  /** Without zeros at the end of the fraction. */
  shortened(): Fixed {
    let { units, scale } = this;
    while (scale > 0 && units % 10n === 0n) {
      units /= 10n;
      scale--;
    }
    return new Fixed(units, scale);
  }
  toNumber(): number {
    return Number(this.toString());
  }
  toString(): string {
    const digits = absolute(this.units)
      .toString()
      .padStart(this.scale + 1, '0');
    const whole = digits.slice(0, digits.length - this.scale);
    const text = this.scale === 0 ? whole : `${whole}.${digits.slice(-this.scale)}`;
    return this.units < 0n ? `-${text}` : text;
  }
}

function roundAway(units: bigint, divisor: bigint): bigint {
  const half = divisor / 2n;
  return (units < 0n ? units - half : units + half) / divisor;
}
