/**
 * Which class of the runtime an item of a mailbox is of. Users send what they like: a Proxy may throw
 * when it is asked, and is none of these then. One function for each, so that each stays quick.
 */
import { Merge } from './merge.js'
import { Envelope } from './request.js'
import { Exit, Marker } from './system-messages.js'

export function isEnvelope(item: unknown): item is Envelope {
  try {
    return item instanceof Envelope
  } catch {
    return false
  }
}

export function isMerge(item: unknown): item is Merge {
  try {
    return item instanceof Merge
  } catch {
    return false
  }
}

export function isMarker(item: unknown): item is Marker {
  try {
    return item instanceof Marker
  } catch {
    return false
  }
}

export function isExit(item: unknown): item is Exit {
  try {
    return item instanceof Exit
  } catch {
    return false
  }
}
