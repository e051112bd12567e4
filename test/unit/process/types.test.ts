/** What the compiler promises about calls. The code that must not compile is never run. */
import { describe, expectTypeOf, it } from 'vitest'
import type { BoundNode } from '../../../src/process/bound-node.js'
import { GenServer } from '../../../src/process/gen-server.js'
import { noReply } from '../../../src/process/request.js'
import type { Pid } from '../../../src/term/pid.js'

class Worker extends GenServer {
  name = ''
  init(name: string): void {
    this.name = name
  }
  addXp(amount: number): { xp: number } {
    return { xp: amount }
  }
  async later(): Promise<string> {
    return this.name
  }
  maybe(): string | typeof noReply {
    return noReply
  }
  handleInfo(_message: unknown): void {}
  _hidden(): void {}
}

// Never called: only its types are looked at.
const use = async (node: BoundNode, untyped: Pid) => {
  const pid = await node.spawn(Worker, ['kek'])
  expectTypeOf(pid).toEqualTypeOf<Pid<Worker>>()
  expectTypeOf(node.call(pid, 'addXp', 5)).toEqualTypeOf<Promise<{ xp: number }>>()
  expectTypeOf(node.call(pid, 'later')).toEqualTypeOf<Promise<string>>()
  expectTypeOf(node.call(pid, 'maybe')).toEqualTypeOf<Promise<string>>()
  expectTypeOf(node.with({ timeoutMs: 1 }).call(pid, 'later')).toEqualTypeOf<Promise<string>>()
  expectTypeOf(node.cast(pid, 'addXp', 5)).toEqualTypeOf<boolean>()
  expectTypeOf(node.call('name', 'anything', 1, 'x')).toEqualTypeOf<Promise<unknown>>()
  expectTypeOf(node.call({ key: 1 }, 'anything')).toEqualTypeOf<Promise<unknown>>()
  expectTypeOf(node.call({ name: 'x', node: 'n' }, 'y')).toEqualTypeOf<Promise<unknown>>()
  expectTypeOf(node.call(untyped, 'anything', 1)).toEqualTypeOf<Promise<unknown>>()
  expectTypeOf(await node.spawn(async (self) => self.receive())).toEqualTypeOf<Pid>()

  // @ts-expect-error a number is wanted
  node.call(pid, 'addXp', 'five')
  // @ts-expect-error no such method
  node.call(pid, 'addXP', 5)
  // @ts-expect-error a lifecycle method is no message
  node.call(pid, 'handleInfo', 5)
  // @ts-expect-error names starting with _ are no messages
  node.call(pid, '_hidden')
  // @ts-expect-error a property is no message
  node.call(pid, 'name')
  // @ts-expect-error an argument is missing
  node.cast(pid, 'addXp')
  // @ts-expect-error init takes a string
  node.spawn(Worker, [5])

  node.send(pid, 1)
  node.monitor(pid)
  node.link(pid)
  node.exit(pid, 'normal')
  node.isAlive(pid)
}

describe('typed calls', () => {
  it('know the methods, arguments and results of a class', () => {
    expectTypeOf(use).toBeFunction()
  })

  it('know the class of a server from within', () => {
    class Inner extends GenServer {
      me(): Pid<this> {
        return this.self
      }
    }
    expectTypeOf<Inner['self']>().toEqualTypeOf<Pid<Inner>>()
  })
})
