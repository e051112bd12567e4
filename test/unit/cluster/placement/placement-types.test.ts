/** What the compiler promises about placements. The code that must not compile is never run. */
import { describe, expectTypeOf, it } from 'vitest'
import {
  type LeastChildren,
  type LeastChildrenOptions,
  leastChildren,
  type Placement,
  pinned,
  rendezvous,
  type SupervisorOptions,
} from '../../../../src/index.js'

// Never called: only its types are looked at.
const use = (maxSkew: number | undefined): SupervisorOptions[] => {
  expectTypeOf(leastChildren).toExtend<Placement>()
  expectTypeOf(leastChildren.with({ maxSkew: 1 })).toEqualTypeOf<LeastChildren>()
  expectTypeOf(leastChildren.with({ maxSkew })).toEqualTypeOf<LeastChildren>()
  expectTypeOf<LeastChildrenOptions>().toEqualTypeOf<{ maxSkew?: number | undefined }>()
  expectTypeOf(pinned({}, leastChildren.with({}))).toEqualTypeOf<Placement>()

  // @ts-expect-error a number is wanted
  leastChildren.with({ maxSkew: '1' })
  // @ts-expect-error not an option
  leastChildren.with({ skew: 1 })
  // @ts-expect-error options are wanted
  leastChildren.with()
  // @ts-expect-error hashing has nothing to keep even
  rendezvous.with({ maxSkew: 1 })
  return [{ placement: leastChildren }, { placement: leastChildren.with({ maxSkew: 2 }) }]
}

describe('placements', () => {
  it('have the types that users rely on', () => {
    expectTypeOf(use).returns.toEqualTypeOf<SupervisorOptions[]>()
  })
})
