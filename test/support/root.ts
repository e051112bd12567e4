/** The folder of the project. */
import { fileURLToPath } from 'node:url'

/** Of this file as source; compiled files stand elsewhere. */
export const ROOT = fileURLToPath(new URL('../..', import.meta.url))
