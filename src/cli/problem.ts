// What stops a command and is told to the person at the terminal: a sentence, and what to do about it. No stack trace.

export class Problem extends Error {
  constructor(
    message: string,
    /** How to mend it. */
    readonly hint?: string,
    more: { cause?: unknown } = {},
  ) {
    super(message, more);
    this.name = 'Problem';
  }
}

/** Exit code of a command that was interrupted with Ctrl-C. */
export const interruptedCode = 130;

/** The sentence of any thrown value; node's own errors name their code where they have no text. */
export function sentenceOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return sentenceOf(error.errors[0]);
  if (!(error instanceof Error)) return String(error);
  return error.message || (error as NodeJS.ErrnoException).code || error.name;
}
