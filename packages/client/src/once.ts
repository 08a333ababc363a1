/** Runs `make` at the first call and again only after it failed. */
export function once<T>(make: () => Promise<T>): (() => Promise<T>) & { started(): boolean } {
  let made: Promise<T> | undefined;
  const get = (): Promise<T> => {
    if (made === undefined) {
      made = make();
      made.catch(() => {
        made = undefined;
      });
    }
    return made;
  };
  return Object.assign(get, { started: () => made !== undefined });
}
