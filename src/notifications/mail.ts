// The port for e-mail: a short plain text to one address. https://www.rfc-editor.org/rfc/rfc5322

export interface Message {
  /** One address without a name, as `isMailAddress` has it. */
  readonly to: string;
  readonly subject: string;
  /** Plain text. */
  readonly text: string;
}

export interface Mail {
  /** Resolves when somebody else is responsible for the message. @throws NotSent */
  send(message: Message): Promise<void>;
  /** Whether a message could be sent now, as far as that can be found out without one. @throws NotSent */
  check(): Promise<void>;
  /** What is under way is not waited for: its `send` throws, and may have been done all the same. */
  close(): void;
}

/** Why a message could not be handed on; says nothing of the message. */
export class NotSent extends Error {
  constructor(
    reason: string,
    /** Another try would end the same way. */
    readonly isFinal: boolean,
  ) {
    super(`A message could not be sent: ${reason}`);
    this.name = 'NotSent';
  }
}

/** One plain address: no name, no list, no comment, nothing that could end a header. */
export const isMailAddress = (text: string): boolean =>
  text.length <= 254 &&
  /^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*@[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*$/.test(
    text,
  );
