"""Images that the browser keeps, for questions and for the draft of new conversations."""

from __future__ import annotations

from typing import Final

from tools.common.page_modules import with_page_modules

STORED: Final = """() => new Promise((resolve, reject) => {
    const opening = indexedDB.open("sluice.images");
    opening.onerror = () => reject(opening.error);
    opening.onsuccess = () => {
        const reading = opening.result.transaction("images").objectStore("images").getAll();
        reading.onsuccess = () => resolve(reading.result.map(({ data }) => data));
        opening.result.close();
    };
})"""
# Makes all kept images this old, in milliseconds, and adds one that no question has.
AGE: Final = """(age) => new Promise((resolve, reject) => {
    const opening = indexedDB.open("sluice.images");
    opening.onsuccess = () => {
        const transaction = opening.result.transaction("images", "readwrite");
        const store = transaction.objectStore("images");
        store.getAll().onsuccess = ({ target }) => {
            for (const record of target.result) store.put({ ...record, added: record.added - age });
            store.put({ id: "f".repeat(24), data: "unused", added: 0 });
        };
        transaction.oncomplete = () => { opening.result.close(); resolve(); };
        transaction.onabort = () => reject(transaction.error);
    };
})"""
# What is kept once it is as much, or after this time in milliseconds.
UNTIL: Final = f"""async ([count, limit]) => {{
    const end = performance.now() + limit;
    for (;;) {{
        const kept = await ({STORED})();
        if (kept.length === count || performance.now() > end) return kept;
        await new Promise((resolve) => requestAnimationFrame(resolve));
    }}
}}"""
# Has what is unused now be so for this time in milliseconds.
AGE_UNUSED: Final = """(age) => {
    const key = Object.keys(localStorage).find((each) => each.endsWith(".unused"));
    const all = JSON.parse(localStorage.getItem(key));
    for (const since of Object.values(all)) for (const name of Object.keys(since)) since[name] -= age;
    localStorage.setItem(key, JSON.stringify(all));
}"""
# Deletes what no question has, as a page does after its first interaction.
DELETE_UNUSED: Final = with_page_modules("""async () => {
    const { deleteUnused } = await pageModule("storage/image_store.js");
    await deleteUnused(async () => new Set());
}""")
# Whether the draft that all new conversations share is stored with this text and images of these names, in some tab.
SHARED: Final = """([text, names]) => {
    const valueAt = (end) => Object.entries(localStorage).find(([key]) => key.endsWith(end))?.[1] ?? "";
    const stored = valueAt("draft.1..images") || "[]";
    const lists = stored.startsWith("\\u001e") ? Object.values(JSON.parse(stored.slice(1))) : [stored];
    const kept = new Set(lists.flatMap((list) => JSON.parse(list)).map(({ name }) => name));
    return valueAt("draft.1.") === text && String([...kept]) === String(names);
}"""
