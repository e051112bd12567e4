/** What the compiler promises about the registry. The code that must not compile is never run. */
import { describe, expectTypeOf, it } from 'vitest'
import type { Pid, Registry, RegistryEvent, RegistryReason } from '../../../../src/index.js'

// Never called: only its types are looked at.
const use = async (registry: Registry, pid: Pid, signal: AbortSignal) => {
  expectTypeOf(registry.register('k', pid, { sync: true })).toEqualTypeOf<Promise<void>>()
  expectTypeOf(registry.update(['k', 1], { any: 'thing' })).toEqualTypeOf<Promise<void>>()
  expectTypeOf(registry.replace('k', pid, pid)).toEqualTypeOf<Promise<void>>()
  registry.replace('k', pid, pid, { meta: null, timeoutMs: 5 })
  expectTypeOf(registry.whenRegistered('k', { timeoutMs: 5, signal })).toEqualTypeOf<Promise<Pid>>()
  expectTypeOf(registry.watch()).toEqualTypeOf<AsyncIterableIterator<RegistryEvent>>()
  registry.watch({ key: { room: 1 } })
  registry.watch({ prefix: 'room/' })
  registry.watch({ prefix: ['room', 1] as const })

  for await (const event of registry.watch()) {
    expectTypeOf(event.type).toEqualTypeOf<'registered' | 'updated' | 'unregistered'>()
    expectTypeOf(event.pid).toEqualTypeOf<Pid>()
    expectTypeOf(event.previousPid).toEqualTypeOf<Pid | undefined>()
    expectTypeOf(event.reason).toEqualTypeOf<RegistryReason>()
    // @ts-expect-error no such reason: the set is closed
    if (event.reason === 'normal') return
  }

  // @ts-expect-error metadata is wanted
  registry.update('k')
  // @ts-expect-error the new process is missing
  registry.replace('k', pid)
  // @ts-expect-error a pid is wanted, not a name
  registry.replace('k', pid, 'name')
  // @ts-expect-error a prefix is a string or an array
  registry.watch({ prefix: 5 })
  // @ts-expect-error no such selector
  registry.watch({ keys: 'k' })
  // @ts-expect-error not an option
  registry.register('k', pid, { synced: true })
}

describe('the registry', () => {
  it('has types for its options, selectors and events', () => {
    expectTypeOf(use).toBeFunction()
  })
})
