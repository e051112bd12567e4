/** Values that nobody should pass on, and processes that throw, return and keep them. */
import type { ServerModule } from '../../src/kernel/process-port.js'
import { GenServer } from '../../src/process/gen-server.js'

const DEEP = 600

class Instance {
  readonly secret = 1
}

function cycle(): object {
  const one: Record<string, unknown> = {}
  one.self = one
  return one
}

function deep(): unknown {
  let value: unknown = 1
  for (let level = 0; level < DEEP; level++) value = [value]
  return value
}

function badProxy(): object {
  const refuse = (): never => {
    throw new Error('not to be looked at')
  }
  return new Proxy({}, { get: refuse, ownKeys: refuse, getPrototypeOf: refuse, has: refuse })
}

function badError(): Error {
  const error = new Error('hidden')
  Object.defineProperty(error, 'message', {
    get() {
      throw new Error('not to be read')
    },
  })
  return error
}

/** What cannot cross to another node, made anew each time. */
export const UNFIT: Readonly<Record<string, () => unknown>> = {
  'a function': () => () => 1,
  'a class instance': () => new Instance(),
  'a cycle': cycle,
  'a symbol': () => Symbol('odd'),
  'a promise': () => Promise.resolve(1),
  'a throwing proxy': badProxy,
  '600 levels': deep,
}

/** What can be thrown, and is hard to describe. */
export const THROWN: Readonly<Record<string, () => unknown>> = {
  ...UNFIT,
  undefined: () => undefined,
  'no prototype': () => Object.create(null),
  'no text': () => ({ toString: 1, valueOf: 1 }),
  'an error whose message throws': badError,
}

export const CARELESS_CLASS = 'Careless'
/** How `init` can go wrong. */
export const BAD_STARTS = ['throws', 'rejects', 'ends', 'kills itself'] as const

export function carelessProcesses(): Record<string, ServerModule> {
  class Careless extends GenServer {
    override async init(how?: string, what?: string): Promise<void> {
      if (how === 'throws' || how === 'rejects') {
        if (how === 'rejects') await this.citadel.sleep(1)
        throw THROWN[what!]!()
      }
      if (how === 'ends') this.citadel.exit(this.self, 'normal')
      if (how === 'kills itself') this.citadel.exit(this.self, 'kill')
      if (how === 'never returns') await new Promise(() => {})
    }

    fine(): string {
      return 'fine'
    }

    fail(what: string): never {
      throw THROWN[what]!()
    }

    async failLater(what: string): Promise<never> {
      await this.citadel.sleep(1)
      throw THROWN[what]!()
    }

    give(what: string): unknown {
      return UNFIT[what]!()
    }

    hold(): Promise<never> {
      return new Promise(() => {})
    }
  }

  return { [CARELESS_CLASS]: Careless }
}
