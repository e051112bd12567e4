/** What is right for a key and an id when nothing fails, by histories that are, and that are not. */
import { describe, expect, test } from 'vitest'
import {
  type ChildStep,
  childModel,
  isBetweenOwners,
  type KeyDeed,
  type KeyStep,
  keyModel,
  type Outcome,
  type Owner,
} from '../../../simulator/checks/exact-models.js'
import { explain, type Operation } from '../../../simulator/checks/linearizability.js'

const a: Owner = { pid: 'a', node: 'n1' }
const b: Owner = { pid: 'b', node: 'n2' }
const taken = (pid: string): Outcome => ({ code: 'already_registered', pid })
const unknown: Outcome = { code: 'not_found', pid: undefined }

const at = <What>(call: number, end: number, what: What): Operation<What> => ({ call, end, what })
const key = (deed: KeyDeed, outcome: Outcome = 'done'): KeyStep => ({ ...deed, outcome })
const register = (by: Owner, outcome?: Outcome): KeyStep =>
  key({ kind: 'register', by, meta: 1 }, outcome)
const force = (by: Owner): KeyStep => key({ kind: 'force', by, meta: 2 })
const unregister = (outcome?: Outcome): KeyStep => key({ kind: 'unregister' }, outcome)
const seen = (on: string, owner?: Owner, epoch = 1, meta = 1): KeyStep => ({
  kind: 'lookup',
  on,
  found: owner && { ...owner, epoch, meta },
})

const keyVerdict = (...history: Operation<KeyStep>[]): string => explain(history, keyModel).type
const childVerdict = (...history: Operation<ChildStep>[]): string =>
  explain(history, childModel).type

describe('a key of one node that nobody moves', () => {
  test('has one owner, and whoever comes later is told which', () => {
    const first = at(1, 2, register(a))
    expect(keyVerdict(first, at(3, 4, register(b, taken('a'))))).toBe('explained')
    expect(keyVerdict(first, at(3, 4, register(b)))).toBe('impossible')
    expect(keyVerdict(first, at(3, 4, register(b, taken('b'))))).toBe('impossible')
  })

  test('is free for anybody once it was unregistered', () => {
    const history = [at(1, 2, register(a)), at(3, 4, unregister())]
    expect(keyVerdict(...history, at(5, 6, register(b)))).toBe('explained')
    expect(keyVerdict(...history, at(5, 6, register(b, taken('a'))))).toBe('impossible')
    expect(keyVerdict(...history, at(5, 6, unregister()))).toBe('impossible')
    expect(keyVerdict(...history, at(5, 6, unregister(unknown)))).toBe('explained')
  })

  test('is never refused for time or reach', () => {
    expect(keyVerdict(at(1, 2, register(a, { code: 'timeout' })))).toBe('impossible')
  })

  test('is read as it is where its owner is, and perhaps late elsewhere', () => {
    const first = at(1, 2, register(a))
    expect(keyVerdict(first, at(3, 4, seen('n1', a)))).toBe('explained')
    expect(keyVerdict(first, at(3, 4, seen('n1')))).toBe('impossible')
    expect(keyVerdict(first, at(3, 4, seen('n1', a, 1, 9)))).toBe('impossible')
    expect(keyVerdict(first, at(3, 4, seen('n2')))).toBe('explained')
  })

  test('has a later epoch for a later owner, and one epoch for each', () => {
    const first = [at(1, 2, register(a)), at(3, 4, seen('n1', a, 5))]
    expect(keyVerdict(...first, at(5, 6, seen('n1', a, 6)))).toBe('impossible')
    const second = [...first, at(5, 6, force(b))]
    expect(keyVerdict(...second, at(7, 8, seen('n2', b, 6, 2)))).toBe('explained')
    expect(keyVerdict(...second, at(7, 8, seen('n2', b, 4, 2)))).toBe('impossible')
  })

  test('is replaced only from the owner that was meant', () => {
    const swap = (old: Owner, by: Owner, outcome?: Outcome): KeyStep =>
      key({ kind: 'replace', old, by }, outcome)
    const first = at(1, 2, register(a))
    expect(keyVerdict(first, at(3, 4, swap(a, b)))).toBe('explained')
    expect(keyVerdict(first, at(3, 4, swap(b, a)))).toBe('impossible')
    expect(keyVerdict(first, at(3, 4, swap(b, a, taken('a'))))).toBe('explained')
    expect(keyVerdict(first, at(3, 4, swap(a, b, taken('a'))))).toBe('impossible')
  })

  test('may be unregistered in vain by an owner that was just robbed, but not for long', () => {
    const history = [at(1, 2, register(a)), at(3, 4, force(b))]
    const after = at(90, 91, register(a, taken('b')))
    expect(keyVerdict(...history, at(5, 6, unregister()), after)).toBe('explained')
    expect(keyVerdict(...history, at(50, 51, unregister()), after)).toBe('impossible')
  })

  test('has nobody, for others, between two owners with a lease', () => {
    const robbery = at(3, 9, force(b))
    expect(isBetweenOwners(at(4, 5, seen('n3')), [robbery])).toBe(true)
    expect(isBetweenOwners(at(4, 5, seen('n3', a)), [robbery])).toBe(false)
    expect(isBetweenOwners(at(50, 51, seen('n3')), [robbery])).toBe(false)
    expect(isBetweenOwners(at(4, 5, unregister(unknown)), [robbery])).toBe(true)
  })
})

describe('an id of a child', () => {
  const start = (pid: string): ChildStep => ({ kind: 'start', pid, outcome: 'done' })
  const refused = (code: string, pid?: string): ChildStep => ({
    kind: 'start',
    outcome: { code, pid },
  })
  const end = (outcome: Outcome = 'done'): ChildStep => ({ kind: 'terminate', outcome })

  test('of starts at one time one is done, and the others are told of it', () => {
    const others = [
      at(2, 5, refused('already_started', 'a')),
      at(3, 6, refused('already_started', 'a')),
    ]
    expect(childVerdict(at(1, 4, start('a')), ...others)).toBe('explained')
    expect(childVerdict(at(1, 4, start('a')), at(2, 5, start('b')))).toBe('impossible')
    expect(childVerdict(at(1, 4, start('a')), at(2, 5, refused('timeout')))).toBe('impossible')
  })

  test('can be started once its end is acknowledged', () => {
    const history = [at(1, 2, start('a')), at(3, 4, end())]
    expect(childVerdict(...history, at(5, 6, start('b')))).toBe('explained')
    expect(childVerdict(...history, at(5, 6, refused('already_started', 'a')))).toBe('impossible')
  })

  test('is not ended twice, but by two at one time', () => {
    const first = at(1, 2, start('a'))
    expect(childVerdict(first, at(3, 6, end()), at(4, 7, end()))).toBe('explained')
    expect(childVerdict(first, at(3, 4, end()), at(5, 6, end()))).toBe('impossible')
    expect(childVerdict(first, at(3, 4, end()), at(5, 6, end(unknown)))).toBe('explained')
  })

  test('of a start that was cut short is there for others, until it is not', () => {
    const cut = [at(1, 8, refused('exited')), at(2, 9, end())]
    expect(childVerdict(...cut, at(3, 4, refused('already_started', 'a')))).toBe('explained')
    expect(childVerdict(...cut, at(10, 11, refused('already_started', 'a')))).toBe('impossible')
    expect(childVerdict(at(1, 8, refused('exited')), at(10, 11, start('b')))).toBe('impossible')
  })

  test('is seen by its own node while it runs', () => {
    const look = (pid: string): ChildStep => ({
      kind: 'lookup',
      on: 'n1',
      found: { pid, node: 'n1' },
    })
    expect(childVerdict(at(1, 2, start('a')), at(3, 4, look('a')))).toBe('explained')
    expect(childVerdict(at(1, 2, start('a')), at(3, 4, look('b')))).toBe('impossible')
  })
})
