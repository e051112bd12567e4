/**
 * Placement by name: the ids that are pinned to a node run there as long as it may run them; all
 * others, and those whose node is not there, go where another placement says.
 */
import { termKey } from '../term/key.js'
import { type Placement, rendezvous } from './placement.js'

/** From ids to nodes: an object for ids that are strings, a `Map` for any. */
export type Pins = Readonly<Record<string, string>> | ReadonlyMap<unknown, string>

export function pinned(pins: Pins, otherwise: Placement = rendezvous): Placement {
  const nodes = new Map<string, string>()
  for (const [id, node] of pins instanceof Map ? pins : Object.entries(pins)) {
    nodes.set(termKey(id), node)
  }
  return {
    sticky: otherwise.sticky ?? false,
    choose(key, members) {
      const pin = nodes.get(key)
      if (pin === undefined) return otherwise.choose(key, members)
      for (const { node, weight } of members) if (node === pin && weight > 0) return pin
      return otherwise.choose(key, members)
    },
  }
}
