/** What a mistake made on purpose is, and how one is made: one method of one real class is replaced. */
export interface Defect {
  readonly name: string
  /** What is wrong with it, in a sentence. */
  readonly what: string
  /** It can show only where owners have a lease. */
  readonly arbiter?: 'quorum'
  /** Makes the mistake; answers how to take it back. */
  plant(): () => void
}

type Methods = Record<string, (...args: never[]) => unknown>

/** Replaces a method of a class, whatever TypeScript thinks of its being private. */
export function replace(
  owner: { prototype: object },
  method: string,
  wrong: (right: (...args: never[]) => unknown) => (...args: never[]) => unknown,
): () => void {
  const methods = owner.prototype as Methods
  const right = methods[method]
  if (typeof right !== 'function') throw new Error(`there is no method ${method} to break`)
  methods[method] = wrong(right)
  return () => {
    methods[method] = right
  }
}
