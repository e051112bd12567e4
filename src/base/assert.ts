/** Programmer errors: a broken invariant of our own, never something a peer or a user can cause. */
export function assert(condition: unknown, invariant: string): asserts condition {
  if (!condition) throw new Error(`broken invariant: ${invariant}`)
}
