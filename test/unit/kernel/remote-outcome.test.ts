/** How an operation on another node tells what came of it. */
import { expect, test } from 'vitest'
import { CitadelError } from '../../../src/base/errors.js'
import { fromOutcome, toOutcome } from '../../../src/kernel/remote-outcome.js'
import { decodeTerm, encodeTerm } from '../../../src/term/codec.js'

test('two nodes: a failure whose reason cannot cross keeps its code, and is told in words', async () => {
  const thrown: Record<string, unknown> = {}
  thrown.self = thrown
  const error = new CitadelError('init_failed', 'it did not start', { reason: { error: thrown } })
  const outcome = await toOutcome(Promise.reject(error))
  const heard = decodeTerm(encodeTerm(outcome)) as typeof outcome
  expect(() => fromOutcome(heard)).toThrow(
    expect.objectContaining({ code: 'init_failed', message: 'it did not start' }),
  )
})

test('two nodes: a reason that can cross comes as it is', async () => {
  const error = new CitadelError('exited', 'it ended', { reason: { stage: 3 } })
  const outcome = await toOutcome(Promise.reject(error))
  expect(outcome).toMatchObject({ ok: false, code: 'exited', reason: { stage: 3 } })
})
