/** The checker of histories: known ones, some from the literature, and brute force over small ones. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { explain, type Model, type Operation } from '../../../simulator/checks/linearizability.js'

type Register =
  | { readonly kind: 'write'; readonly value: number }
  | { readonly kind: 'read'; readonly value: number }
  | { readonly kind: 'swap'; readonly from: number; readonly to: number; readonly done: boolean }

/** One number that can be read, written, and swapped if it is as expected. */
const register: Model<number, Register> = {
  initial: 0,
  step: (state, { what }) => {
    switch (what.kind) {
      case 'write':
        return [what.value]
      case 'read':
        return what.value === state ? [state] : []
      case 'swap':
        if ((state === what.from) !== what.done) return []
        return [what.done ? what.to : state]
    }
  },
  describe: String,
}

type Queue = { readonly kind: 'enqueue' | 'dequeue'; readonly item: string }

const queue: Model<readonly string[], Queue> = {
  initial: [],
  step: (state, { what: { kind, item } }) => {
    if (kind === 'enqueue') return [[...state, item]]
    return state[0] === item ? [state.slice(1)] : []
  },
  describe: (state) => state.join(),
}

const never = Number.POSITIVE_INFINITY
const at = <What>(call: number, end: number, what: What): Operation<What> => ({ call, end, what })
const write = (value: number): Register => ({ kind: 'write', value })
const read = (value: number): Register => ({ kind: 'read', value })
const enqueue = (item: string): Queue => ({ kind: 'enqueue', item })
const dequeue = (item: string): Queue => ({ kind: 'dequeue', item })

const verdictOf = (history: Operation<Register>[]): string => explain(history, register).type

describe('one history of a register', () => {
  test('is explained when nothing happened, and when one did what it says', () => {
    expect(explain([], register)).toEqual({ type: 'explained', states: [0] })
    expect(verdictOf([at(1, 2, write(7)), at(3, 4, read(7))])).toBe('explained')
  })

  test('is impossible when a read comes out as before a write that had ended', () => {
    const verdict = explain([at(1, 2, write(7)), at(3, 4, read(0)), at(5, 6, read(7))], register)
    expect(verdict).toEqual({ type: 'impossible', operations: [at(3, 4, read(0))], before: [7] })
  })

  test('is explained either way while the write is under way', () => {
    expect(verdictOf([at(1, 5, write(7)), at(2, 3, read(0)), at(4, 6, read(7))])).toBe('explained')
  })

  test('is impossible when the new value is seen, and then the old one again', () => {
    expect(verdictOf([at(1, 9, write(7)), at(2, 3, read(7)), at(4, 5, read(0))])).toBe('impossible')
  })

  test('is impossible when two swaps from the same value both succeed', () => {
    const swap = (to: number, done: boolean): Register => ({ kind: 'swap', from: 0, to, done })
    expect(verdictOf([at(1, 4, swap(1, true)), at(2, 5, swap(2, true))])).toBe('impossible')
    expect(verdictOf([at(1, 4, swap(1, true)), at(2, 5, swap(2, false))])).toBe('explained')
  })

  test('lets what never ended have its effect late, or not at all', () => {
    const pending = at(1, never, write(7))
    expect(verdictOf([pending, at(2, 3, read(0)), at(4, 5, read(7))])).toBe('explained')
    expect(verdictOf([pending, at(2, 3, read(0)), at(4, 5, read(0))])).toBe('explained')
    expect(verdictOf([pending, at(2, 3, read(7)), at(4, 5, read(0))])).toBe('impossible')
  })

  test('names all states that it can have led to', () => {
    const verdict = explain([at(1, 4, write(1)), at(2, 3, write(2))], register)
    expect(verdict).toMatchObject({ type: 'explained', states: expect.arrayContaining([1, 2]) })
  })

  test('is left open when too much ran side by side', () => {
    const many = Array.from({ length: 40 }, (_, index) => at(index, 1_000 + index, write(index)))
    expect(explain(many, register, 500).type).toBe('unknown')
    const apart = many.map(({ what }, index) => at(index * 2, index * 2 + 1, what))
    expect(explain(apart, register, 500).type).toBe('explained')
  })
})

describe('the histories of Herlihy and Wing, of a queue', () => {
  test('H1: two enqueue side by side, and what comes out first is either', () => {
    const history = [
      at(1, 4, enqueue('x')),
      at(2, 3, enqueue('y')),
      at(5, 6, dequeue('y')),
      at(7, 8, dequeue('x')),
    ]
    expect(explain(history, queue).type).toBe('explained')
  })

  test('H2: one enqueues after the other, and the later one comes out first', () => {
    const history = [at(1, 2, enqueue('x')), at(3, 4, enqueue('y')), at(5, 6, dequeue('y'))]
    expect(explain(history, queue).type).toBe('impossible')
  })

  test('H3: what is dequeued was enqueued by a call that has not ended', () => {
    expect(explain([at(1, never, enqueue('x')), at(2, 3, dequeue('x'))], queue).type).toBe(
      'explained',
    )
  })

  test('H4: one item is dequeued twice', () => {
    const history = [
      at(1, 4, enqueue('x')),
      at(2, 3, enqueue('y')),
      at(5, 7, dequeue('y')),
      at(6, 8, dequeue('y')),
    ]
    expect(explain(history, queue).type).toBe('impossible')
  })
})

const value = fc.integer({ min: 0, max: 2 })
const deed: fc.Arbitrary<Register> = fc.oneof(
  fc.record({ kind: fc.constant('write' as const), value }),
  fc.record({ kind: fc.constant('read' as const), value }),
  fc.record({ kind: fc.constant('swap' as const), from: value, to: value, done: fc.boolean() }),
)

/** Of so many operations, with calls and ends shuffled over one clock; some never end. */
const histories = fc.integer({ min: 1, max: 6 }).chain((count) =>
  fc
    .tuple(
      fc.array(deed, { minLength: count, maxLength: count }),
      fc.shuffledSubarray(
        Array.from({ length: count * 2 }, (_, time) => time),
        { minLength: count * 2 },
      ),
      fc.array(fc.integer({ min: 0, max: 9 }), { minLength: count, maxLength: count }),
    )
    .map(([deeds, times, luck]) =>
      deeds.map((what, index): Operation<Register> => {
        const [one, other] = [times[index * 2]!, times[index * 2 + 1]!]
        const end = luck[index] === 0 ? never : Math.max(one, other)
        return at(Math.min(one, other), end, what)
      }),
    ),
)

/** Every order of every choice of what has had its effect. */
function isExplainedByTrying(left: readonly Operation<Register>[], state: number): boolean {
  if (left.every(({ end }) => end === never)) return true
  return left.some((next) => {
    if (left.some((other) => other.end < next.call)) return false
    const others = left.filter((other) => other !== next)
    return register.step(state, next).some((after) => isExplainedByTrying(others, after))
  })
}

test('any history of up to six operations is judged as by trying all orders', () => {
  let impossible = 0
  fc.assert(
    fc.property(histories, (history) => {
      const isExplained = isExplainedByTrying(history, register.initial)
      if (!isExplained) impossible++
      expect(explain(history, register).type).toBe(isExplained ? 'explained' : 'impossible')
    }),
    { numRuns: 2_000, seed: 9 },
  )
  expect(impossible).toBeGreaterThan(200)
})
