/** An AbortSignal of which the user has replaced parts hurts neither who is called nor the call. */
import { expect, test } from 'vitest'
import { GenServer } from '../../../src/process/gen-server.js'
import { testKernel } from '../../support/test-kernel.js'

class Echo extends GenServer {
  echo(value: unknown): unknown {
    return value
  }
  never(): Promise<never> {
    return new Promise(() => {})
  }
}

const fails = (): never => {
  throw new Error('replaced')
}

const oddController = (): AbortController => {
  const controller = new AbortController()
  Object.assign(controller.signal, { addEventListener: fails, removeEventListener: fails })
  Object.defineProperty(controller.signal, 'reason', { get: fails })
  return controller
}

test('one node: a call with an odd signal is answered, and who answers lives on', async () => {
  const { node } = testKernel()
  const echo = await node.spawn(Echo)
  const { signal } = oddController()
  expect(await node.with({ signal }).call(echo, 'echo', 5)).toBe(5)
  expect(await node.call(echo, 'echo', 6)).toBe(6)
})

test('one node: a call with an odd signal can be given up', async () => {
  const { node } = testKernel()
  const echo = await node.spawn(Echo)
  const controller = oddController()
  const call = node.with({ signal: controller.signal }).call(echo, 'never')
  const refused = expect(call).rejects.toMatchObject({ code: 'aborted' })
  controller.abort()
  await refused
})
