/** The limits of images in a message: those that the page makes itself, and those that it reads from files. */

export const MAX_IMAGES = 4; // the server's limit for one message
export const LONGEST_SIDE = 1568; // pixels: to this, models scale larger ones
export const MAX_IMAGE_BYTES = 400_000; // of one image
