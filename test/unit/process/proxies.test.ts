/** A Proxy runs code of its owner when it is looked at, also when the runtime does. */
import { expect, test } from 'vitest'
import { GenServer } from '../../../src/process/gen-server.js'
import { testKernel } from '../../support/test-kernel.js'

class Keeper extends GenServer {
  #kept = 0

  override handleInfo(): void {
    this.#kept++
  }

  kept(): number {
    return this.#kept
  }
}

test('one node: a message that is a revoked Proxy ends nobody', async () => {
  const { node } = testKernel()
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  const keeper = await node.spawn(Keeper)
  node.send(keeper, proxy)
  expect(await node.call(keeper, 'kept')).toBe(1)
})

test('one node: a class that is a revoked Proxy is refused as an argument', () => {
  const { kernel } = testKernel()
  const { proxy, revoke } = Proxy.revocable(class {}, {})
  revoke()
  const refused = expect.objectContaining({ code: 'bad_argument' })
  expect(() => kernel.noteClass(proxy)).toThrow(refused)
})
