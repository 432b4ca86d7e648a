"""How far the pixels of a picture are from a colour, as JavaScript for a page."""

from __future__ import annotations

from typing import Final

# Of a picture and the colour of its paper: its size, and how far so many pixels of a row are from it, at the most.
COMPARED: Final = """async ({ picture, paper }) => {
    const bitmap = await createImageBitmap(new Blob([Uint8Array.fromBase64(picture)], { type: "image/png" }));
    const { width, height } = bitmap;
    const canvas = new OffscreenCanvas(width, height).getContext("2d");
    canvas.fillStyle = paper;
    canvas.fillRect(0, 0, 1, 1);
    const colour = [...canvas.getImageData(0, 0, 1, 1).data];
    canvas.drawImage(bitmap, 0, 0);
    const farthest = (x, y, count) => {
        const found = [...canvas.getImageData(x, y, count, 1).data];
        return Math.max(...found.map((part, index) => Math.abs(part - colour[index % 4])));
    };
    return { width, height, farthest };
}"""
# The colour behind the text of an element of this name.
PAPER: Final = "(name) => getComputedStyle(document.querySelector(name)).backgroundColor"
