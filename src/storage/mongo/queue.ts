// Lines up this process's own commits: those that share a key wait for each other instead of meeting in the database
// and running again, and no more than a few transactions are open at once. Other processes meet in the database.

export interface Queue {
  /** Runs the work when nobody before it holds one of the keys. */
  run<T>(keys: Iterable<string>, work: () => Promise<T>): Promise<T>;
  /** Resolves when everything that was accepted is done. */
  idle(): Promise<void>;
}

export function openQueue(atOnce: number): Queue {
  const tails = new Map<string, Promise<void>>();
  const waiting: (() => void)[] = [];
  const accepted = new Set<Promise<void>>();
  let free = atOnce;

  const enter = (): Promise<void> | undefined => {
    if (free > 0) {
      free--;
      return undefined;
    }
    return new Promise(resolve => waiting.push(resolve));
  };
  const leave = (): void => {
    const next = waiting.shift();
    if (next) next();
    else free++;
  };

  const run = async <T>(keys: Iterable<string>, work: () => Promise<T>): Promise<T> => {
    const own = new Set(keys);
    let done!: () => void;
    const tail = new Promise<void>(resolve => (done = resolve));
    accepted.add(tail);
    // All keys are taken in one step, so two commits can never wait for each other.
    const before = [...own].flatMap(key => tails.get(key) ?? []);
    for (const key of own) tails.set(key, tail);
    try {
      await Promise.all(before);
      await enter();
      try {
        return await work();
      } finally {
        leave();
      }
    } finally {
      for (const key of own) if (tails.get(key) === tail) tails.delete(key);
      accepted.delete(tail);
      done();
    }
  };

  return {
    run,
    idle: async () => {
      while (accepted.size > 0) await Promise.all(accepted);
    },
  };
}
