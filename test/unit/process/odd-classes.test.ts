/** Classes that run code of their owner when the runtime looks at them. */
import { expect, test } from 'vitest'
import { CitadelError } from '../../../src/base/errors.js'
import { GenServer } from '../../../src/process/gen-server.js'
import { testKernel } from '../../support/test-kernel.js'

const unreadable = (): never => {
  throw new Error('not to be read')
}

class Stuck extends GenServer {}
Object.defineProperty(Stuck.prototype, 'terminate', { get: unreadable })

test('one node: a process whose terminate cannot be read ends when it is told to, with a word', async () => {
  const { node, log } = testKernel()
  const stuck = await node.spawn(Stuck)
  const ended = node.whenEnded(stuck)
  node.exit(stuck, 'shutdown')
  expect(await ended).toBe('shutdown')
  expect(log.of('error').join()).toContain('Stuck.terminate')
})

test('one node: a node with a process whose terminate cannot be read stops', async () => {
  const { node, kernel } = testKernel()
  const [stuck, other] = [await node.spawn(Stuck), await node.spawn(Stuck)]
  await kernel.stop()
  expect([node.isAlive(stuck), node.isAlive(other)]).toEqual([false, false])
})

test('one node: a class whose list of callable methods cannot be read is refused', async () => {
  class Secret extends GenServer {
    static get callable(): string[] {
      return unreadable()
    }
  }
  const { node } = testKernel()
  const error = await node.spawn(Secret).catch((refusal: unknown) => refusal)
  expect(error).toBeInstanceOf(CitadelError)
  expect(error).toMatchObject({ code: 'bad_argument', cause: { message: 'not to be read' } })
})
