/** A number of places, and of them a number for each key. Who finds none comes back. */
export interface Places {
  enter(key: string): boolean;
  leave(key: string): void;
}

export function createPlaces(most: { readonly all: number; readonly each: number }): Places {
  const taken = new Map<string, number>();
  let all = 0;
  return {
    enter(key) {
      const here = taken.get(key) ?? 0;
      if (all >= most.all || here >= most.each) return false;
      all++;
      taken.set(key, here + 1);
      return true;
    },
    leave(key) {
      all--;
      const here = (taken.get(key) ?? 1) - 1;
      if (here === 0) taken.delete(key);
      else taken.set(key, here);
    },
  };
}
