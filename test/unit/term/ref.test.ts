/** A reference that users have made of nonsense. */
import { expect, test } from 'vitest'
import { termKey } from '../../../src/term/key.js'
import { Ref } from '../../../src/term/ref.js'

/** As groups and supervisors have one. */
const joiner = () => {
  const seen = { calls: 0 }
  const join = (): Promise<never> => {
    seen.calls++
    return new Promise(() => {})
  }
  return { seen, words: { join } as never }
}

test('one node: a reference whose words have a join of their own never calls it', () => {
  const { seen, words } = joiner()
  const ref = new Ref('n1@127.0.0.1', 1, words)
  expect(ref.toString()).toBe('#Ref<n1@127.0.0.1.1.>')
  expect(() => termKey([ref])).not.toThrow()
  expect(ref.equals(new Ref('n1@127.0.0.1', 1, [1]))).toBe(false)
  expect(seen.calls).toBe(0)
})
