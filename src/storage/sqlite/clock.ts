// The time a statement has. Nobody can interrupt a running statement from outside, so those that may run long call a
// function of this one now and then, and it ends them. https://www.sqlite.org/c3ref/interrupt.html

/** The statement's time is over. */
export class OutOfTime extends Error {}

export interface Clock {
  /** By performance.now(). */
  until: number;
  /** @throws OutOfTime */
  check(): void;
}

/** So many checks between two looks at the clock. */
const between = 64;

export function startClock(): Clock {
  let calls = 0;
  return {
    until: Infinity,
    check() {
      if (++calls % between === 0 && performance.now() > this.until)
        throw new OutOfTime('The time of the statement is over.');
    },
  };
}
