import { beforeAll, describe, expect, test } from 'vitest'
import { CitadelError } from '../../../src/base/errors.js'
import { Formatter, installInspection } from '../../../src/shell/format.js'
import { Atom } from '../../../src/term/atom.js'
import { ImproperList } from '../../../src/term/improper-list.js'
import { OpaqueTerm } from '../../../src/term/opaque.js'
import { Pid } from '../../../src/term/pid.js'
import { Ref } from '../../../src/term/ref.js'
import { Tuple } from '../../../src/term/tuple.js'

const formatter = (): Formatter => new Formatter({ node: 'n1@127.0.0.1', creation: 7 })
const mine = new Pid('n1@127.0.0.1', 80, 0, 7)
const other = new Pid('n2@127.0.0.1', 81, 2, 9)

beforeAll(installInspection)

describe('pids and references', () => {
  test('have a 0 first on this node', () => {
    expect(formatter().value(mine)).toBe('#PID<0.80.0>')
    expect(formatter().value(new Ref('n1@127.0.0.1', 7, [1, 2, 3]))).toBe('#Ref<0.3.2.1>')
  })

  test('have a number of their own for each remote node, the same all through a session', () => {
    const session = formatter()
    const third = new Pid('n3@127.0.0.1', 80, 0, 1)
    const [a, b] = [session.value(other), session.value(third)]
    expect(a).toMatch(/^#PID<[1-9]\d*\.81\.2>$/)
    expect(b).toMatch(/^#PID<[1-9]\d*\.80\.0>$/)
    expect(b.split('.')[0]).not.toBe(a.split('.')[0])
    expect(session.value(new Pid('n2@127.0.0.1', 81, 2, 9))).toBe(a)
    expect(session.value(new Ref('n2@127.0.0.1', 9, [5]))).toContain(a.slice(5, a.indexOf('.')))
  })

  test('of an earlier start of this node are remote', () => {
    expect(formatter().value(new Pid('n1@127.0.0.1', 80, 0, 6))).not.toBe('#PID<0.80.0>')
  })

  test('are shown inside of other values too', () => {
    expect(formatter().value([mine])).toBe('[ #PID<0.80.0> ]')
    expect(formatter().value(new Map([[0, mine]]))).toBe('Map(1) { 0 => #PID<0.80.0> }')
    expect(formatter().value(new Tuple('DOWN', mine))).toBe("Tuple('DOWN', #PID<0.80.0>)")
  })
})

test('terms are shown as they are written', () => {
  const show = (value: unknown): string => formatter().value(value)
  expect(show(new Atom('ok'))).toBe("Atom('ok')")
  expect(show(new ImproperList([1], new Atom('x')))).toBe("ImproperList([1] | Atom('x'))")
  expect(show(new OpaqueTerm('fun', new Uint8Array(4)))).toBe('#Opaque<fun, 4 bytes>')
  expect(show('text')).toBe("'text'")
  expect(show(undefined)).toBe('undefined')
})

describe('errors', () => {
  test('of Citadel are one line with their code, and pids as the shell shows them', () => {
    const error = new CitadelError('already_registered', `k is registered to ${mine};\nfree it.`, {
      pid: mine,
    })
    expect(formatter().error(error)).toBe(
      '** (already_registered) k is registered to #PID<0.80.0>; free it.',
    )
  })

  test('of any other kind are one line with their class', () => {
    const error = new RangeError('too far')
    error.stack = 'RangeError: too far\n    at shell:1:1'
    expect(formatter().error(error)).toBe('** (RangeError) too far')
  })

  test('name the line of the file of the user in which they arose', () => {
    const error = new Error('oops')
    error.stack = 'Error: oops\n    at Worker.add (file:///app/worker.mjs:12:5)'
    expect(formatter().error(error)).toBe('** (Error) oops (worker.mjs:12)')
  })

  test('that are no errors are shown as values', () => {
    expect(formatter().error({ code: 1 })).toBe('** (throw) { code: 1 }')
  })
})
