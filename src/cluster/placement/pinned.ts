/**
 * Placement by name: the ids that are pinned to a node run there as long as it may run them; all
 * others, and those whose node is not there, go where another placement says.
 */
import { attempt } from '../../base/arguments.js'
import { CitadelError } from '../../base/errors.js'
import { termKey } from '../../term/key.js'
import { type Placement, rendezvous } from './placement.js'

/** From ids to nodes: an object for ids that are strings, a `Map` for any. */
export type Pins = Readonly<Record<string, string>> | ReadonlyMap<unknown, string>

export function pinned(pins: Pins, otherwise: Placement = rendezvous): Placement {
  const nodes = attempt(() => nodesOf(pins))
  const { sticky = false, choose, maxSkew } = attempt(() => ({ ...otherwise }))
  if (typeof choose !== 'function') {
    throw new CitadelError('bad_argument', 'pinned(pins, otherwise) wants another placement last')
  }
  return {
    sticky,
    ...(maxSkew === undefined ? {} : { maxSkew }),
    stays: (key, node) => nodes.get(key) === node || otherwise.stays?.(key, node) === true,
    choose: (key, members) =>
      attempt(() => {
        const pin = nodes.get(key)
        if (pin === undefined) return otherwise.choose(key, members)
        for (const { node, weight } of members) if (node === pin && weight > 0) return pin
        return otherwise.choose(key, members)
      }),
  }
}

function nodesOf(pins: Pins): ReadonlyMap<string, string> {
  const nodes = new Map<string, string>()
  for (const [id, node] of pins instanceof Map ? pins : Object.entries(pins)) {
    nodes.set(termKey(id), node)
  }
  return nodes
}
