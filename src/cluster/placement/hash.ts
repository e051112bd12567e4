/**
 * The hashes that all nodes of a cluster must agree on: they decide homes and placement, so a change
 * here is a change of the wire protocol. MurmurHash3 (Austin Appleby, public domain) over UTF-16.
 */

/** A well-mixed 32-bit integer from another: Murmur3's finalizer. */
export function mix32(value: number): number {
  let h = value | 0
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

/** An unsigned 32-bit hash of a string. */
export function hash32(text: string, seed = 0): number {
  let h = seed | 0
  for (let i = 0; i < text.length; i++) {
    const k = Math.imul(text.charCodeAt(i), 0xcc9e2d51)
    h ^= Math.imul((k << 15) | (k >>> 17), 0x1b873593)
    h = (Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64) | 0
  }
  return mix32(h ^ text.length)
}

/** 53 bits of hash as an exact number: enough to tell apart all views a cluster ever has. */
export function fingerprint(text: string): number {
  return hash32(text, 0x9747b28c) * 0x200000 + (hash32(text, 0x2f0b4a91) >>> 11)
}
