// Values by name, for names that clients write: an object would also answer to `constructor` and the like.

export type Table<T> = (name: string) => T | undefined;

export const tableOf = <T>(entries: Readonly<Record<string, T>>): Table<T> => {
  const map = new Map(Object.entries(entries));
  return name => map.get(name);
};
