/** What a cache keeps of one object: small, typed, and never changed in place. */
export interface CacheRecord {
  namespace: string;
  name: string;
  uid: string;
  resourceVersion: string;
}

/** Records by namespace and name. */
export interface Store<R extends CacheRecord> {
  get(namespace: string, name: string): R | undefined;
  inNamespace(namespace: string): Iterable<R>;
  all(): Iterable<R>;
  readonly size: number;
  set(record: R): void;
  delete(namespace: string, name: string): void;
  /** All at once, as one list has them: nobody sees half of it. */
  replace(records: readonly R[]): void;
}

export function createStore<R extends CacheRecord>(): Store<R> {
  let byNamespace = new Map<string, Map<string, R>>();
  const none = new Map<string, R>();
  const put = (into: Map<string, Map<string, R>>, record: R) => {
    let names = into.get(record.namespace);
    if (names === undefined) into.set(record.namespace, (names = new Map<string, R>()));
    names.set(record.name, record);
  };
  return {
    get: (namespace, name) => byNamespace.get(namespace)?.get(name),
    inNamespace: (namespace) => (byNamespace.get(namespace) ?? none).values(),
    *all() {
      for (const names of byNamespace.values()) yield* names.values();
    },
    get size() {
      let count = 0;
      for (const names of byNamespace.values()) count += names.size;
      return count;
    },
    set: (record) => put(byNamespace, record),
    delete(namespace, name) {
      const names = byNamespace.get(namespace);
      names?.delete(name);
      if (names?.size === 0) byNamespace.delete(namespace);
    },
    replace(records) {
      const fresh = new Map<string, Map<string, R>>();
      for (const record of records) put(fresh, record);
      byNamespace = fresh;
    },
  };
}
